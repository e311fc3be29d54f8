//! The generated code, as text.

use std::io::{Cursor, Read as _};

use kiln_export::torchscript;
use zip::ZipArchive;

use crate::{
    builder::Builder,
    models::{attention, network, overloads, selection},
    operations::operations,
};

/// All code files of a model's archive, one after the other.
fn code(builder: Builder) -> String {
    let bytes = torchscript::to_bytes(&builder.model()).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    for position in 0..archive.len() {
        let mut entry = archive.by_index(position).unwrap();
        if entry.name().unwrap().ends_with(".py") {
            text.extend(["# ", &entry.name().unwrap(), "\n"]);
            entry.read_to_string(&mut text).unwrap();
        }
    }
    text
}

#[test]
fn network_code() {
    insta::assert_snapshot!(code(network().0));
}

#[test]
fn overloads_code() {
    insta::assert_snapshot!(code(overloads().0));
}

#[test]
fn attention_code() {
    insta::assert_snapshot!(code(attention().0));
}

#[test]
fn selection_code() {
    insta::assert_snapshot!(code(selection().0));
}

#[test]
fn operations_code() {
    insta::assert_snapshot!(code(operations().builder));
}
