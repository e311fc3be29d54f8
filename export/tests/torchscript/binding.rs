//! How inputs give symbols their values: sessions and archives take the same sizes, with the same
//! values, and refuse the same.

use std::{collections::BTreeMap, fmt::Write as _};

use burn::tensor::{Device, Int, Tensor};
use kiln_ir::{Argument, Session};

use crate::{
    builder::Builder,
    expectation::{Arg, Call, Data, Refusal, write},
};

/// What a caller passes.
#[derive(Clone, Copy)]
enum Given {
    /// A tensor of this shape.
    Shape(&'static [usize]),
    Int(i64),
    Pair(i64, i64),
    None,
}

use Given::{Int as I, None as NONE, Pair, Shape as S};

/// Arguments, and the values of N and M (0 if the method has none) or a part of the archive's
/// message.
type Case = (&'static [Given], Result<[i64; 2], &'static str>);

/// A method and calls of it. Its result is `1000*N + M`, or `1000*N` where only N is shown.
struct Signature {
    name: &'static str,
    /// Names and types of the parameters.
    params: &'static [(&'static str, &'static str)],
    defaults: &'static [&'static str],
    /// The symbols that the method's functions take the values of.
    shows: &'static [&'static str],
    calls: &'static [Case],
}

const SIGNATURES: &[Signature] = &[
    Signature {
        name: "axis",
        params: &[("x", "f32[$N]"), ("y", "f32[$N]")],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[S(&[2]), S(&[2])], Ok([2, 0])),
            (
                &[S(&[2]), S(&[3])],
                Err("expected size 2 in dimension 0 of y"),
            ),
        ],
    },
    Signature {
        name: "square",
        params: &[("x", "f32[$N, $N]")],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[S(&[2, 2])], Ok([2, 0])),
            (&[S(&[2, 3])], Err("expected size 2 in dimension 1 of x")),
        ],
    },
    Signature {
        name: "twice",
        params: &[("x", "f32[2*$N]")],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[S(&[4])], Ok([2, 0])),
            (&[S(&[0])], Ok([0, 0])),
            (&[S(&[5])], Err("expected size 4 in dimension 0 of x")),
        ],
    },
    Signature {
        name: "pointers",
        params: &[("x", "f32[$N + 1]")],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[S(&[3])], Ok([2, 0])),
            (&[S(&[1])], Ok([0, 0])),
            (&[S(&[0])], Err("leave N at least 0, got -1")),
        ],
    },
    Signature {
        name: "sum",
        params: &[("a", "f32[$N + $M]"), ("y", "f32[$M]")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), S(&[2])], Ok([3, 2])),
            (&[S(&[2]), S(&[2])], Ok([0, 2])),
            (&[S(&[1]), S(&[2])], Err("leave N at least 0, got -1")),
        ],
    },
    Signature {
        name: "shown_later",
        params: &[("a", "f32[$N + $M]"), ("x", "f32[$N]"), ("y", "f32[$M]")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), S(&[2]), S(&[3])], Ok([2, 3])),
            (
                &[S(&[5]), S(&[2]), S(&[2])],
                Err("expected size 4 in dimension 0 of a"),
            ),
        ],
    },
    Signature {
        name: "chain",
        params: &[("a", "f32[$N + $M]"), ("b", "f32[3*$M]")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), S(&[6])], Ok([3, 2])),
            (
                &[S(&[5]), S(&[7])],
                Err("expected size 6 in dimension 0 of b"),
            ),
            (&[S(&[1]), S(&[6])], Err("leave N at least 0, got -1")),
        ],
    },
    Signature {
        name: "less",
        params: &[("x", "f32[$N]"), ("y", "f32[$N - 3]")],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[S(&[5]), S(&[2])], Ok([5, 0])),
            (
                &[S(&[5]), S(&[1])],
                Err("expected size 2 in dimension 0 of y"),
            ),
            // Where the size would be -1, none is right.
            (&[S(&[2]), S(&[7])], Err("leave N - 3 at least 0, got -1")),
            (&[S(&[2]), S(&[0])], Err("leave N - 3 at least 0, got -1")),
        ],
    },
    Signature {
        name: "quotient",
        params: &[
            ("x", "f32[$N]"),
            ("y", "f32[$M]"),
            ("z", "f32[floor_div($N, $M - 2)]"),
        ],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), S(&[4]), S(&[2])], Ok([5, 4])),
            (
                &[S(&[5]), S(&[4]), S(&[3])],
                Err("expected size 2 in dimension 0 of z"),
            ),
            (&[S(&[0]), S(&[2]), S(&[0])], Err("division by 0")),
            (&[S(&[0]), S(&[1]), S(&[0])], Err("division by 0")),
        ],
    },
    Signature {
        name: "integer",
        params: &[("x", "f32[$N]"), ("m", "int $M")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[2]), I(3)], Ok([2, 3])),
            (&[S(&[2]), I(-1)], Err("leave M at least 0, got -1")),
        ],
    },
    Signature {
        name: "shown_integer",
        params: &[("n", "int $N"), ("x", "f32[2*$N]")],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[I(2), S(&[4])], Ok([2, 0])),
            (
                &[I(3), S(&[4])],
                Err("expected n to be 2 as the inputs show, got 3"),
            ),
            (&[I(2), S(&[5])], Err("expected size 4 in dimension 0 of x")),
        ],
    },
    Signature {
        name: "two_integers",
        params: &[("a", "f32[$N + $M]"), ("n", "int $N?"), ("m", "int $M?")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), I(2), I(3)], Ok([2, 3])),
            (&[S(&[5]), I(2), NONE], Ok([2, 3])),
            (&[S(&[5]), NONE, I(3)], Ok([2, 3])),
            (
                &[S(&[5]), NONE, NONE],
                Err("n is needed: no other argument shows N"),
            ),
            (
                &[S(&[5]), I(2), I(2)],
                Err("expected m to be 3 as the inputs show, got 2"),
            ),
            (&[S(&[5]), I(6), NONE], Err("leave M at least 0, got -1")),
            (&[S(&[5]), NONE, I(-1)], Err("leave M at least 0, got -1")),
        ],
    },
    Signature {
        name: "pair",
        params: &[("a", "f32[$N + $M]"), ("size", "size($N, $M)")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), Pair(2, 3)], Ok([2, 3])),
            (
                &[S(&[5]), Pair(2, 2)],
                Err("expected size to be (2, 3) as the inputs show"),
            ),
            (&[S(&[5]), Pair(6, -1)], Err("leave M at least 0, got -1")),
            (&[S(&[5]), NONE], Err("size is needed")),
        ],
    },
    Signature {
        name: "pair_or_default",
        params: &[("x", "f32[$N]"), ("size", "size($N, $M)")],
        defaults: &["$M = $N"],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[2]), NONE], Ok([2, 2])),
            (&[S(&[2]), Pair(2, 5)], Ok([2, 5])),
            (
                &[S(&[2]), Pair(3, 5)],
                Err("expected size to be (2, 5) as the inputs show"),
            ),
            (&[S(&[2]), Pair(2, -1)], Err("leave M at least 0, got -1")),
        ],
    },
    Signature {
        name: "unused",
        params: &[
            ("x", "f32[$N]"),
            ("size", "size($N, $M)"),
            ("k", "int $K?"),
            ("l", "int $K?"),
        ],
        defaults: &[],
        shows: &["N"],
        calls: &[
            (&[S(&[2]), NONE, NONE, NONE], Ok([2, 0])),
            (&[S(&[2]), Pair(2, 5), I(4), I(4)], Ok([2, 0])),
            (
                &[S(&[2]), Pair(3, 5), NONE, NONE],
                Err("expected size[0] to be 2 as the inputs show"),
            ),
            (
                &[S(&[2]), Pair(2, -1), NONE, NONE],
                Err("leave M at least 0, got -1"),
            ),
            (
                &[S(&[2]), NONE, I(-1), NONE],
                Err("leave K at least 0, got -1"),
            ),
            (
                &[S(&[2]), NONE, NONE, I(-1)],
                Err("leave K at least 0, got -1"),
            ),
            (
                &[S(&[2]), NONE, I(4), I(3)],
                Err("expected l to be 4 as the inputs show, got 3"),
            ),
        ],
    },
    Signature {
        name: "optional",
        params: &[("x", "f32[$N]"), ("y", "f32[$M]?"), ("z", "f32[$M + 1]?")],
        defaults: &["$M = $N"],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[2]), NONE, NONE], Ok([2, 2])),
            (&[S(&[2]), S(&[3]), NONE], Ok([2, 3])),
            (&[S(&[2]), NONE, S(&[4])], Ok([2, 3])),
            (&[S(&[2]), S(&[3]), S(&[4])], Ok([2, 3])),
            (
                &[S(&[2]), S(&[3]), S(&[3])],
                Err("expected size 4 in dimension 0 of z"),
            ),
            (&[S(&[2]), NONE, S(&[0])], Err("leave M at least 0, got -1")),
        ],
    },
    Signature {
        name: "optional_or_integer",
        params: &[("a", "f32[$N + $M]"), ("y", "f32[$M]?"), ("m", "int $M?")],
        defaults: &[],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[5]), S(&[3]), NONE], Ok([2, 3])),
            (&[S(&[5]), S(&[3]), I(3)], Ok([2, 3])),
            (&[S(&[5]), NONE, I(3)], Ok([2, 3])),
            (
                &[S(&[5]), S(&[3]), I(2)],
                Err("expected m to be 3 as the inputs show, got 2"),
            ),
            (
                &[S(&[5]), NONE, NONE],
                Err("m is needed: no other argument shows M"),
            ),
            (&[S(&[5]), NONE, I(6)], Err("leave N at least 0, got -1")),
        ],
    },
    // The first default that can be taken leaves one unknown for the axis.
    Signature {
        name: "defaults",
        params: &[
            ("x", "f32[$K]"),
            ("a", "f32[$N + $M]"),
            ("n", "int $N?"),
            ("m", "int $M?"),
        ],
        defaults: &["$M = $K", "$N = $K"],
        shows: &["N", "M"],
        calls: &[
            (&[S(&[2]), S(&[5]), NONE, NONE], Ok([3, 2])),
            (&[S(&[2]), S(&[5]), I(4), NONE], Ok([4, 1])),
            (&[S(&[2]), S(&[5]), NONE, I(4)], Ok([1, 4])),
            (&[S(&[2]), S(&[5]), I(1), I(4)], Ok([1, 4])),
            (
                &[S(&[2]), S(&[5]), I(1), I(3)],
                Err("expected m to be 4 as the inputs show, got 3"),
            ),
            (
                &[S(&[6]), S(&[5]), NONE, NONE],
                Err("leave N at least 0, got -1"),
            ),
        ],
    },
];

impl Signature {
    /// The methods and functions in text form, with a case for each choice of optional tensors.
    fn text(&self) -> [String; 2] {
        let name = self.name;
        let params = self.params.iter();
        let params: Vec<String> = params.map(|(name, ty)| format!("{name}: {ty}")).collect();
        let mut method = format!("  method {name}({}) -> i64[1] {{\n", params.join(", "));
        for default in self.defaults {
            let _ = writeln!(method, "    default {default}");
        }
        let mut functions = String::new();
        let tensors = self.params.iter().filter(|(_, ty)| ty.contains('['));
        let optional = tensors.clone().filter(|(_, ty)| ty.ends_with('?')).count();
        for choice in 0..1_u32 << optional {
            let present = |at: usize| choice >> at & 1 == 1;
            let flags = (0..optional).map(present);
            let flags = flags.map(|flag| if flag { "present" } else { "absent" });
            let flags = flags.collect::<Vec<_>>().join(", ");
            let _ = writeln!(method, "    case ({flags}) -> @{name}_{choice}");
            let mut inputs: Vec<String> = Vec::new();
            let mut seen = 0;
            for (name, ty) in tensors.clone() {
                let is_optional = ty.ends_with('?');
                if !is_optional || present(seen) {
                    inputs.push(format!(
                        "{name} %{}: {}",
                        inputs.len(),
                        ty.trim_end_matches('?')
                    ));
                }
                seen += usize::from(is_optional);
            }
            for symbol in self.shows {
                inputs.push(format!(
                    "{} %{}: int ${symbol}",
                    symbol.to_lowercase(),
                    inputs.len()
                ));
            }
            let value = match self.shows {
                [_] => "1000*$N",
                _ => "1000*$N + $M",
            };
            let out = inputs.len();
            let _ = writeln!(
                functions,
                "fn @{name}_{choice}({}) -> (%{out}) {{\n  %{out}: i64[1] = full{{value={value}, elem=i64, dims=[1]}}()\n}}",
                inputs.join(", ")
            );
        }
        method.push_str("  }\n");
        [method, functions]
    }
}

/// What the executor takes for an argument.
fn argument(given: Given) -> Option<Argument> {
    let device = Device::flex();
    match given {
        S(&[length]) => Some(Tensor::<1>::zeros([length], &device).into()),
        S(shape) => Some(Tensor::<2>::zeros([shape[0], shape[1]], &device).into()),
        I(value) => Some(value.into()),
        Pair(a, b) => Some(Tensor::<1, Int>::from_data([a, b], &device).into()),
        NONE => None,
    }
}

/// What PyTorch takes for it.
fn torch(given: Given) -> Arg {
    match given {
        S(shape) => Data::float(shape, &vec![0.0; shape.iter().product()]).into(),
        I(value) => Arg::Int(value),
        Pair(a, b) => Arg::Ints(vec![a, b]),
        NONE => Arg::None,
    }
}

#[test]
fn sessions_and_archives_take_the_same_sizes() {
    let mut text = "kiln 1\nsymbols $N, $M, $K\nmodule @ = Binding {\n".to_owned();
    let parts: Vec<[String; 2]> = SIGNATURES.iter().map(Signature::text).collect();
    for [method, _] in &parts {
        text.push_str(method);
    }
    text.push_str("}\n");
    for [_, functions] in &parts {
        text.push_str(functions);
    }
    let model = Builder::parse(&text).model();
    let session = Session::new(&model, &Device::flex()).unwrap();

    let (mut calls, mut refused) = (Vec::new(), Vec::new());
    for signature in SIGNATURES {
        let method = signature.name;
        for (number, (given, expected)) in signature.calls.iter().enumerate() {
            let names = signature.params.iter().map(|(name, _)| *name);
            let inputs = names.clone().zip(*given);
            let inputs: BTreeMap<String, Argument> = inputs
                .filter_map(|(name, given)| Some((name.to_owned(), argument(*given)?)))
                .collect();
            let result = session.run(method, inputs);
            let args = names.zip(given.iter().copied().map(torch)).collect();
            match expected {
                Ok([n, m]) => {
                    let outputs = result.unwrap_or_else(|error| {
                        panic!("call {number} of {method}: {error}");
                    });
                    let out = outputs[0].1.clone().int::<1>().into_data();
                    let value = 1000 * n + m;
                    assert_eq!(
                        out.iter::<i64>().collect::<Vec<_>>(),
                        [value],
                        "call {number} of {method}"
                    );
                    let out = Data::int(&[1], &[value]).into();
                    calls.push(Call { method, args, out });
                }
                Err(error) => {
                    assert!(result.is_err(), "call {number} of {method} is taken");
                    refused.push(Refusal {
                        method,
                        args,
                        error,
                    });
                }
            }
        }
    }
    write("binding", &model, &calls, &refused);
}
