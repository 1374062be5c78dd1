//! Plots as SVG that takes its colours from the page.

use std::fmt::Write;

use super::style::{escape, float, octets, per_cent, time};

/// Dots of a plot at most: more would only be drawn over each other.
const MOST_DOTS: usize = 2_000;

/// A part of a whole.
pub(super) struct Bar {
    /// What it is.
    pub(super) name: String,
    /// The class that colours it.
    pub(super) class: &'static str,
    /// How many.
    pub(super) count: u64,
}

/// A dot.
pub(super) struct Dot {
    /// To the right.
    pub(super) x: f64,
    /// Upwards.
    pub(super) y: f64,
    /// The class that colours it.
    pub(super) class: &'static str,
    /// What it says when it is pointed at.
    pub(super) title: String,
}

/// One bar of several parts, with a legend.
pub(super) fn stacked(bars: &[Bar]) -> String {
    let whole: u64 = bars.iter().map(|bar| bar.count).sum();
    if whole == 0 {
        return String::new();
    }
    let mut svg = String::from(
        "<svg viewBox=\"0 0 1000 40\" role=\"img\" class=\"stack\" preserveAspectRatio=\"none\"><title>results by verdict</title>",
    );
    let mut legend = String::from("<ul class=\"legend\">");
    let mut x = 0.0;
    for bar in bars {
        let width = float(bar.count) / float(whole) * 1000.0;
        put(
            &mut svg,
            format_args!(
                "<rect class=\"{}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"40\"/>",
                bar.class
            ),
        );
        x += width;
        put(
            &mut legend,
            format_args!(
                "<li><i class=\"key {}\"></i>{} <b>{}</b> {}</li>",
                bar.class,
                escape(&bar.name),
                bar.count,
                per_cent(bar.count, whole)
            ),
        );
    }
    format!("{svg}</svg>\n{legend}</ul>")
}

/// Bars under each other, each with its name.
pub(super) fn bars(bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let mut list = String::from("<ul class=\"bars\">\n");
    for bar in bars {
        let width = float(bar.count) / float(most) * 100.0;
        put(
            &mut list,
            format_args!(
                "<li><span>{}</span><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" \
             aria-hidden=\"true\"><rect class=\"{}\" width=\"{width:.1}\" height=\"10\"/></svg>\
             <b>{}</b></li>\n",
                escape(&bar.name),
                bar.class,
                bar.count
            ),
        );
    }
    list.push_str("</ul>");
    list
}

/// A plot on two logarithmic axes of octets, with a line on which nothing changes.
pub(super) fn scatter(dots: &[Dot]) -> String {
    let positive = |value: f64| value.max(1.0).log10();
    let Some(most) = dots
        .iter()
        .map(|dot| positive(dot.x.max(dot.y)))
        .max_by(f64::total_cmp)
    else {
        return String::new();
    };
    let least = dots.iter().map(|dot| positive(dot.x.min(dot.y)));
    let least = least
        .min_by(f64::total_cmp)
        .unwrap_or(0.0)
        .floor()
        .min(most.floor());
    let most = most.ceil().max(least + 1.0);
    let axes = Axes {
        least,
        span: most - least,
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" class=\"plot\">\
         <title>octets after against octets before</title>"
    );
    let mut power = least;
    while power <= most {
        let (x, y) = (axes.x(power), axes.y(power));
        let label = octets_of_power(power);
        put(
            &mut svg,
            format_args!(
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{BOTTOM}M{LEFT} {y:.1}H{RIGHT}\"/>\
             <text x=\"{x:.1}\" y=\"{}\" class=\"below\">{label}</text>\
             <text x=\"{}\" y=\"{:.1}\" class=\"beside\">{label}</text>",
                BOTTOM + 20.0,
                LEFT - 8.0,
                y + 4.0
            ),
        );
        power += 1.0;
    }
    put(
        &mut svg,
        format_args!(
            "<path class=\"even\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
            axes.x(least),
            axes.y(least),
            axes.x(most),
            axes.y(most)
        ),
    );
    let step = dots.len().div_ceil(MOST_DOTS).max(1);
    for dot in dots.iter().step_by(step) {
        put(
            &mut svg,
            format_args!(
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}</title></circle>",
                dot.class,
                axes.x(positive(dot.x)),
                axes.y(positive(dot.y)),
                escape(&dot.title)
            ),
        );
    }
    let (middle, bottom) = ((LEFT + RIGHT) / 2.0, HEIGHT - 4.0);
    put(
        &mut svg,
        format_args!("<text x=\"{middle}\" y=\"{bottom}\" class=\"below\">before</text>"),
    );
    put(
        &mut svg,
        format_args!("<text x=\"{LEFT}\" y=\"12\" class=\"above\">after</text></svg>"),
    );
    svg
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 628.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 350.0;

/// Logarithmic axes that are alike.
struct Axes {
    least: f64,
    span: f64,
}

impl Axes {
    fn x(&self, power: f64) -> f64 {
        LEFT + (power - self.least) / self.span * (RIGHT - LEFT)
    }

    fn y(&self, power: f64) -> f64 {
        BOTTOM - (power - self.least) / self.span * (BOTTOM - TOP)
    }
}

fn octets_of_power(power: f64) -> String {
    let mut count = 1_u64;
    let mut left = power;
    while left >= 0.5 {
        count = count.saturating_mul(10);
        left -= 1.0;
    }
    octets(count)
}

/// Where the bars of a histogram of times begin, in milliseconds: three for each power of ten.
const STEPS: [f64; 19] = [
    0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5,
    2e5, 5e5,
];

/// How many took how long.
pub(super) fn histogram(times: &[f64]) -> String {
    if times.is_empty() {
        return String::new();
    }
    let counts: Vec<u64> = STEPS
        .iter()
        .enumerate()
        .map(|(at, from)| {
            let to = STEPS
                .get(at.saturating_add(1))
                .copied()
                .unwrap_or(f64::INFINITY);
            let inside = times.iter().filter(|time| **time >= *from && **time < to);
            u64::try_from(inside.count()).unwrap_or(u64::MAX)
        })
        .collect();
    let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let shown = last.saturating_sub(first).saturating_add(1).max(6);
    let each = (RIGHT - LEFT) / float(u64::try_from(shown).unwrap_or(1));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} 220\" role=\"img\" class=\"plot\"><title>results by time</title>\
         <path class=\"grid\" d=\"M{LEFT} 180H{RIGHT}\"/>"
    );
    let mut x = LEFT;
    for (count, from) in counts.iter().zip(STEPS).skip(first).take(shown) {
        let height = float(*count) / float(most) * 150.0;
        put(
            &mut svg,
            format_args!(
                "<rect class=\"adapted\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\">\
             <title>{count} from {}</title></rect>",
                x + 2.0,
                180.0 - height,
                each - 4.0,
                time(from)
            ),
        );
        if *count > 0 {
            put(
                &mut svg,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{:.1}\" class=\"below\">{count}</text>",
                    x + each / 2.0,
                    174.0 - height
                ),
            );
        }
        let label = if from > 0.0 {
            time(from)
        } else {
            "0".to_owned()
        };
        put(
            &mut svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"198\" class=\"below\">{}</text>",
                label.replace(".0 ", " ")
            ),
        );
        x += each;
    }
    svg.push_str("</svg>");
    svg
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(count: u64) -> Bar {
        Bar {
            name: "a<b".to_owned(),
            class: "adapted",
            count,
        }
    }

    #[test]
    fn parts_make_a_whole() {
        let svg = stacked(&[bar(1), bar(3)]);
        assert!(
            svg.contains("width=\"250.0\"") && svg.contains("width=\"750.0\""),
            "{svg}"
        );
        assert!(svg.contains("a&lt;b") && svg.contains("75 %"));
        assert_eq!(stacked(&[]), "");
        assert!(bars(&[bar(2), bar(1)]).contains("width=\"50.0\""));
    }

    #[test]
    fn every_dot_is_inside() {
        let dot = |x: f64, y: f64| Dot {
            x,
            y,
            class: "adapted",
            title: String::new(),
        };
        for dots in [
            vec![dot(1000.0, 100.0), dot(5e6, 0.0)],
            vec![dot(1.0, 1.0)],
            vec![dot(0.0, 0.0), dot(1e18, 1e18)],
        ] {
            let svg = scatter(&dots);
            for place in svg.split("cx=\"").skip(1) {
                let x: f64 = place.split('"').next().unwrap().parse().unwrap();
                assert!((LEFT..=RIGHT).contains(&x), "{x}");
            }
        }
        assert_eq!(scatter(&[]), "");
        let many: Vec<Dot> = (0..10_000_u32).map(|x| dot(f64::from(x), 5.0)).collect();
        assert!(scatter(&many).matches("<circle").count() <= MOST_DOTS);
    }

    #[test]
    fn a_histogram_counts_everything() {
        let svg = histogram(&[0.5, 3.0, 4.0, 1e9]);
        assert!(svg.contains(">2</text>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), STEPS.len());
    }
}
