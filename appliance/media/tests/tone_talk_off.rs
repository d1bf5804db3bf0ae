//! Spoken words press no key: voices of espeak-ng, high and low, in several languages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

use branchline_media::tone::{DtmfDetector, DtmfEvent, peak};
use branchline_media::voice::{Rates, Resampler};

/// Voice, its language, words with many open vowels.
const VOICES: [(&str, &str); 8] = [
    ("en-us+m3", EN),
    ("en-us+f2", EN),
    ("en-gb+m7", EN),
    ("en-gb+f5", EN),
    ("de+m1", DE),
    ("de+f4", DE),
    ("it+f3", IT),
    ("it+m5", IT),
];
const EN: &str = "Good morning, you have reached the branch office. We are open from nine to five. Who would you like to speak \
    to? I know you are only a room away. Oh, you mean Aurora Rowley? Hello, Aurora, are you there? Anna and Eve will be away \
    until Monday, and Ian is ill. Do you owe our auditor an hour or two? Ooh. Aah. Eee.";
const DE: &str = "Guten Morgen, hier ist die Zweigstelle. Wir haben von neun bis fünf geöffnet. Wen möchten Sie sprechen? Einen \
    Augenblick, ich verbinde Sie. Frau Meier ist heute leider außer Haus, sie kommt am Montag wieder. Auf Wiederhören!";
const IT: &str = "Buongiorno, questo è l'ufficio della filiale. Siamo aperti dalle nove alle cinque. Con chi vuole parlare? Un \
    attimo, la metto in linea. La signora Aurora è fuori, torna lunedì. Arrivederla, a più tardi!";
/// Pitch, from 0 to 99, and words a minute.
const MANNERS: [(u32, u32); 5] = [(10, 120), (30, 140), (50, 175), (75, 150), (99, 200)];

#[test]
fn in_ten_minutes_no_voice_of_espeak_presses_a_key_that_telephones_have() {
    let (mut seconds, mut told) = (0, Vec::new());
    for (voice, words) in VOICES {
        for manner in MANNERS {
            let speech = scaled(&spoken(voice, words, manner), -15.0);
            seconds += speech.len() / 8000;
            for key in keys_in(&speech).chars() {
                told.push((key, voice, manner));
            }
        }
    }
    assert!(seconds >= 600, "{seconds} s of speech");
    eprintln!("{told:?} in {seconds} s");
    assert!(told.iter().all(|(key, ..)| ('A'..='D').contains(key)), "{told:?}");
    // Bellcore's tape of half an hour may have thirty.
    assert!(told.len() <= 1, "{told:?}");
}

fn spoken(voice: &str, words: &str, (pitch, words_a_minute): (u32, u32)) -> Vec<i16> {
    let output = Command::new("espeak-ng")
        .args([
            "--stdout",
            "-v",
            voice,
            "-p",
            &pitch.to_string(),
            "-s",
            &words_a_minute.to_string(),
            words,
        ])
        .output()
        .unwrap_or_else(|error| panic!("espeak-ng: {error}; `make test` installs what is missing"));
    assert!(
        output.status.success(),
        "{voice}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let wav = output.stdout;
    let rate_hz = u32::from_le_bytes(wav[24..28].try_into().unwrap());
    let data = wav.windows(4).position(|word| word == b"data").unwrap() + 8;
    let samples = wav[data..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| i16::from_le_bytes(*pair));
    let rates = Rates {
        from_hz: rate_hz,
        to_hz: 8000,
    };
    let (mut resampler, mut out) = (Resampler::new(rates), Vec::new());
    for part in samples.collect::<Vec<_>>().chunks(1000) {
        resampler.push(part.iter().copied());
        let mut block = vec![0; resampler.ready(0.0)];
        assert!(resampler.pull(&mut block, 0.0));
        out.extend(block);
    }
    out
}

/// With the power of a sine of this level; the loudest is clipped.
fn scaled(sound: &[i16], level_dbm0: f32) -> Vec<i16> {
    let power: f32 = sound.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / sound.len() as f32;
    let factor = peak(level_dbm0) / (2.0 * power).sqrt();
    sound
        .iter()
        .map(|sample| (f32::from(*sample) * factor) as i16)
        .collect()
}

fn keys_in(sound: &[i16]) -> String {
    let mut detector = DtmfDetector::new();
    let mut keys = String::new();
    for block in sound.chunks(160) {
        detector.handle_block(block);
        while let Some(event) = detector.poll_event() {
            match event {
                DtmfEvent::Down { key } => keys.push(key),
                DtmfEvent::Up { .. } => {}
            }
        }
    }
    keys
}
