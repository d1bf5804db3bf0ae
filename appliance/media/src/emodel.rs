//! Speech quality by the E-model (ITU-T G.107), with the codec figures of ITU-T G.113 appendix I.

/// What speech suffers on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment<'a> {
    /// Codec name as in SDP.
    pub codec: &'a str,
    /// Lost packets in percent, taken as random (BurstR = 1).
    pub loss_percent: f64,
    /// Mouth-to-ear delay in milliseconds.
    pub delay_ms: f64,
}

/// Transmission rating R, 0 to 93.2, with the default values of G.107 for everything that is not given.
#[must_use]
pub fn rating(impairment: &Impairment<'_>) -> f64 {
    let (equipment, robustness) = figures(impairment.codec);
    let loss = impairment.loss_percent.clamp(0.0, 100.0);
    let effective = equipment + (95.0 - equipment) * loss / (loss + robustness);
    (DEFAULT_RATING - delay_impairment(impairment.delay_ms) - effective).clamp(0.0, 100.0)
}

/// Mean opinion score, 1.0 to 4.5, of a rating (G.107 annex B).
#[must_use]
pub fn mos(rating: f64) -> f64 {
    if rating <= 0.0 {
        return 1.0;
    }
    if rating >= 100.0 {
        return 4.5;
    }
    // The cubic dips below 1 for ratings under 6.5.
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7.0e-6).max(1.0)
}

/// Idd of G.107: nothing up to 100 ms; echo is taken as cancelled.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let root = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// Ie and Bpl of a codec; phones are taken to conceal losses.
fn figures(codec: &str) -> (f64, f64) {
    let known = |entry: &&(&str, f64, f64)| entry.0.eq_ignore_ascii_case(codec);
    CODECS.iter().find(known).map_or(G711, |entry| (entry.1, entry.2))
}

const DEFAULT_RATING: f64 = 93.2;
/// G.711 with the concealment of its appendix I; wideband codecs are rated like it on this narrow-band scale.
const G711: (f64, f64) = (0.0, 25.1);
const CODECS: [(&str, f64, f64); 5] = [
    ("G729", 11.0, 19.0),
    ("G723", 15.0, 16.1),
    ("GSM", 20.0, 43.0),
    ("iLBC", 10.0, 34.0),
    ("G728", 7.0, 17.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_match_the_table_of_g107_annex_b() {
        for (rating, expected) in [
            (93.2, 4.41),
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ] {
            assert!((mos(rating) - expected).abs() < 0.01, "R {rating}: {}", mos(rating));
        }
        assert_eq!((mos(-1.0), mos(101.0)), (1.0, 4.5));
    }

    #[test]
    fn ratings_fall_with_loss_and_delay() {
        // Ie,eff and Idd worked out by hand from the equations 7-29 and 7-27 of G.107.
        let cases = [
            ("PCMA", 0.0, 50.0, 93.2),
            ("PCMU", 5.0, 50.0, 77.42),
            ("G729", 0.0, 50.0, 82.2),
            ("G729", 2.0, 50.0, 74.2),
            ("PCMA", 0.0, 200.0, 90.17),
            ("PCMA", 0.0, 400.0, 69.0),
        ];
        for (codec, loss_percent, delay_ms, expected) in cases {
            let found = rating(&Impairment {
                codec,
                loss_percent,
                delay_ms,
            });
            assert!(
                (found - expected).abs() < 0.2,
                "{codec} {loss_percent} % {delay_ms} ms: {found}"
            );
        }
    }
}
