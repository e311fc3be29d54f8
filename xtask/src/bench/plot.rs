//! A bar chart of ratios, as SVG.
//!
//! A bar is the time that Kiln takes divided by that of a peer, on a logarithmic axis: left of the
//! line at 1 Kiln is the quicker. A mark stands where the goal is.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Where bars begin and how long the axis is, in pixels.
const LEFT: f64 = 360.0;
const WIDTH: f64 = 420.0;
/// Height of a bar with the space around it.
const STEP: f64 = 18.0;
/// Space above the bars.
const TOP: f64 = 64.0;
/// Room for the ratio behind the longest bar.
const RIGHT: f64 = 60.0;

const FASTER: &str = "#2a7f62";
const SLOWER: &str = "#c05640";

/// One bar.
struct Bar {
    /// Name of the case, at the first bar of a case only.
    case: Option<String>,
    peer: String,
    ratio: f64,
    goal: Option<f64>,
}

/// Draws the results in `text`, a file of the bench `peers`.
pub(super) fn draw(text: &str) -> Result<String> {
    let results: Value = serde_json::from_str(text)?;
    let bars = bars(&results)?;
    let smallest = bars.iter().map(|bar| bar.ratio).fold(0.1, f64::min);
    let largest = bars.iter().map(|bar| bar.ratio).fold(2.0, f64::max);
    let (low, high) = (smallest.log10() - 0.1, largest.log10() + 0.1);
    let place = |ratio: f64| LEFT + WIDTH * (ratio.log10() - low) / (high - low);

    let bottom = TOP + STEP * count(bars.len());
    let (width, height) = (LEFT + WIDTH + RIGHT, bottom + 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\">Time of Kiln divided by that of a peer: left of \
         1 Kiln is quicker</text>\n<text x=\"12\" y=\"38\" fill=\"#555\">{}</text>\n",
        escape(&machine(&results["about"]))
    );
    for exponent in -3..=2 {
        for digit in [1.0, 2.0, 5.0] {
            let tick = digit * 10_f64.powi(exponent);
            if tick.log10() < low || tick.log10() > high {
                continue;
            }
            let (x, one) = (place(tick), (tick - 1.0).abs() < 1e-9);
            let colour = if one { "#000" } else { "#ddd" };
            writeln!(
                out,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{tick}</text>",
                TOP - 6.0
            )?;
        }
    }
    for (number, bar) in bars.iter().enumerate() {
        let y = TOP + STEP * count(number);
        let (start, end) = (place(bar.ratio.min(1.0)), place(bar.ratio.max(1.0)));
        let colour = if bar.ratio <= 1.0 { FASTER } else { SLOWER };
        if let Some(case) = &bar.case {
            writeln!(
                out,
                "<text x=\"12\" y=\"{:.1}\">{}</text>",
                y + 13.0,
                escape(case)
            )?;
        }
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{}</text>\
             <rect x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>",
            LEFT - 8.0,
            y + 13.0,
            escape(&bar.peer),
            y + 3.0,
            end - start,
            STEP - 6.0,
            end + 4.0,
            y + 13.0,
            bar.ratio
        )?;
        if let Some(goal) = bar.goal {
            let x = place(goal.clamp(10_f64.powf(low), 10_f64.powf(high)));
            writeln!(
                out,
                "<path d=\"M{x:.1} {:.1}v{:.1}\" stroke=\"#000\" stroke-width=\"2\"><title>goal \
                 {goal:.2}</title></path>",
                y + 1.0,
                STEP - 2.0
            )?;
        }
    }
    out.push_str("</svg>\n");
    Ok(out)
}

/// The bars of all peers that were measured, in the order of the file.
fn bars(results: &Value) -> Result<Vec<Bar>> {
    let cases = results["cases"].as_array().context("expected `cases`")?;
    let mut bars = Vec::new();
    for case in cases {
        let mut name = case["name"].as_str().map(ToOwned::to_owned);
        for peer in case["peers"].as_array().into_iter().flatten() {
            let ratio = peer["ratio"].as_f64().filter(|ratio| *ratio > 0.0);
            let Some(ratio) = ratio else { continue };
            let seconds = peer["times"]["median"].as_f64();
            let absolute = peer["goal"]["milliseconds"].as_f64().zip(seconds);
            let relative = peer["goal"]["ratio"].as_f64();
            bars.push(Bar {
                case: name.take(),
                peer: peer["name"].as_str().unwrap_or_default().to_owned(),
                ratio,
                goal: relative.or(absolute.map(|(goal, seconds)| goal / seconds / 1e3)),
            });
        }
    }
    ensure!(!bars.is_empty(), "expected a case with a ratio");
    Ok(bars)
}

/// Machine and versions in one line.
fn machine(about: &Value) -> String {
    let hardware = about["gpu"].as_str().or(about["processor"].as_str());
    let mut parts = vec![hardware.unwrap_or("unknown machine").to_owned()];
    if about["gpu"].is_null()
        && let Some(threads) = about["threads"].as_u64()
    {
        parts.push(format!("{threads} threads"));
    }
    let versions = about["versions"].as_object().into_iter().flatten();
    parts.extend(versions.map(|(name, version)| {
        let version = version.as_str().unwrap_or_default();
        format!("{name} {version}")
    }));
    parts.join(", ")
}

/// Text as XML has it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[expect(clippy::cast_precision_loss, reason = "bars in a picture")]
fn count(bars: usize) -> f64 {
    bars as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = r#"{
        "about": {"processor": "a <b>", "gpu": null, "threads": 2, "versions": {"torch": "2.11"}},
        "cases": [{"name": "arxiv/gcn", "peers": [
            {"name": "PyG", "ratio": 0.1, "times": {"median": 1.0}, "goal": {"ratio": 0.15}},
            {"name": "PyG compiled", "ratio": 3.0, "times": {"median": 0.001}, "goal": {"milliseconds": 0.5}},
            {"name": "DGL", "ratio": null, "error": "not installed"}
        ]}]
    }"#;

    #[test]
    fn a_bar_for_each_peer_that_was_measured() {
        let picture = draw(RESULTS).unwrap();
        assert_eq!(picture.matches(FASTER).count(), 1);
        assert_eq!(picture.matches(SLOWER).count(), 1);
        assert!(picture.contains("a &lt;b&gt;, 2 threads, torch 2.11"));
        assert!(picture.contains("goal 0.15") && picture.contains("goal 0.50"));
        assert!(!picture.contains("DGL"));
    }

    #[test]
    fn results_without_ratios_are_refused() {
        for text in [
            "",
            "{}",
            r#"{"cases": []}"#,
            r#"{"cases": [{"name": "a"}]}"#,
        ] {
            assert!(draw(text).is_err(), "{text}");
        }
    }
}
