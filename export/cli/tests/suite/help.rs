//! What `--help` and `--version` say.

use super::support::Folder;

#[test]
fn help_of_every_subcommand() {
    let folder = Folder::new();
    for args in [
        &["--help"][..],
        &["export", "--help"],
        &["inspect", "--help"],
        &["check", "--help"],
        &["convert", "--help"],
        &["run", "--help"],
    ] {
        let outcome = folder.kiln(args).ok();
        assert_eq!(outcome.stderr, "");
        assert!(outcome.stdout.contains("Examples:\n"), "{outcome:#?}");
        let name = format!("help_{}", args[0].trim_start_matches('-'));
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

#[test]
fn version_names_the_backends() {
    let folder = Folder::new();
    let short = folder.kiln(&["-V"]).ok().stdout;
    assert_eq!(short, format!("kiln {}\n", env!("CARGO_PKG_VERSION")));
    let long = folder.kiln(&["--version"]).ok().stdout;
    assert!(long.starts_with(short.trim_end()), "{long}");
    assert!(
        long.lines().nth(1).unwrap().starts_with("backends: "),
        "{long}"
    );
}

#[test]
fn without_arguments_help_goes_to_standard_error() {
    let outcome = Folder::new().kiln(&[]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert!(
        outcome.stderr.contains("Usage: kiln <COMMAND>"),
        "{outcome:#?}"
    );
}
