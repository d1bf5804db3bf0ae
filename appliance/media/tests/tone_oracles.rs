//! Programs that know nothing of this box read what it sends, and are read by it: multimon-ng, minimodem.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sound;

use std::path::Path;
use std::process::Command;

use branchline_media::tone::{
    BELL_202, CallerIdReceiver, CallerIdSender, DtmfDetector, DtmfEvent, DtmfPlayer, FskTones, V23,
};
use sound::{anna, silence, wav};

#[test]
fn multimon_reads_our_keys() {
    let mut player = DtmfPlayer::new(-12.0);
    let keys = "0123456789*#ABCD";
    assert!(keys.chars().all(|key| player.push(key)));
    let mut sound = vec![0; 8 * 2600];
    player.fill(&mut sound);
    // It wants raw sound at 22050 Hz.
    let raw: Vec<u8> = resampled(&sound, 22_050)
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let text = multimon(&raw);
    let read: String = text.lines().filter_map(|line| line.strip_prefix("DTMF: ")).collect();
    assert_eq!(read, keys);
}

#[test]
fn in_ten_minutes_of_voices_we_hear_a_third_of_the_keys_that_multimon_hears_at_most() {
    let (mut raw, mut ours) = (Vec::new(), 0);
    for seed in 0..10 {
        let speech = sound::Dice::new(seed).speech(60_000);
        raw.extend(
            resampled(&speech, 22_050)
                .iter()
                .flat_map(|sample| sample.to_le_bytes()),
        );
        let mut detector = DtmfDetector::new();
        for block in speech.chunks(160) {
            detector.handle_block(block);
            let events = std::iter::from_fn(|| detector.poll_event());
            ours += events.filter(|event| matches!(event, DtmfEvent::Down { .. })).count();
        }
    }
    let theirs = multimon(&raw).lines().count();
    assert!(theirs >= 10, "the voices are hard: {theirs}");
    assert!(ours * 3 <= theirs, "{ours} of {theirs}");
}

#[test]
fn minimodem_reads_our_caller_id() {
    let folder = tempfile::tempdir().unwrap();
    for tones in [BELL_202, V23] {
        let file = folder.path().join("caller.wav");
        std::fs::write(&file, wav(&sent(tones))).unwrap();
        let (mark, space) = (tones.mark_hz.to_string(), tones.space_hz.to_string());
        let mut minimodem = Command::new("minimodem");
        minimodem
            .args(["--rx", "--quiet", "--mark", &mark, "--space", &space, "--file"])
            .arg(&file)
            .arg("1200");
        let read = run(&mut minimodem);
        let message = anna().encode();
        assert!(
            read.windows(message.len()).any(|bytes| bytes == message),
            "{tones:?}: {read:?}"
        );
    }
}

#[test]
fn we_read_bytes_that_minimodem_sends() {
    let folder = tempfile::tempdir().unwrap();
    for tones in [BELL_202, V23] {
        let file = folder.path().join("theirs.wav");
        let message = folder.path().join("message");
        std::fs::write(&message, anna().encode()).unwrap();
        let (mark, space) = (tones.mark_hz.to_string(), tones.space_hz.to_string());
        let mut minimodem = Command::new("minimodem");
        minimodem
            .args([
                "--tx",
                "--quiet",
                "--samplerate",
                "8000",
                "--mark",
                &mark,
                "--space",
                &space,
            ])
            .args(["--file"])
            .arg(&file)
            .arg("1200")
            .stdin(std::fs::File::open(&message).unwrap());
        run(&mut minimodem);
        let sound = [samples_of(&file), silence(200)].concat();
        // It sends two bits of mark where an exchange sends 80 and more.
        let lead = vec_of_mark(tones);
        let mut receiver = CallerIdReceiver::new(tones);
        let told = receiver.handle_block(&[lead, sound].concat());
        assert_eq!(told, Some(Ok(anna())), "{tones:?}");
    }
}

fn multimon(raw: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sound.raw");
    std::fs::write(&file, raw).unwrap();
    let told = run(Command::new("multimon-ng")
        .args(["-q", "-a", "DTMF", "-t", "raw"])
        .arg(&file));
    String::from_utf8_lossy(&told).into_owned()
}

fn sent(tones: FskTones) -> Vec<i16> {
    let mut out = vec![0; 16_000];
    let used = CallerIdSender::new(&anna(), tones, -6.0).fill(&mut out[800..]);
    assert!(used < 15_000, "the message ends");
    out
}

fn vec_of_mark(tones: FskTones) -> Vec<i16> {
    sound::sines(&[(tones.mark_hz, -3.0)], 100)
}

fn samples_of(file: &Path) -> Vec<i16> {
    let bytes = std::fs::read(file).unwrap();
    let data = bytes.windows(4).position(|word| word == b"data").unwrap() + 8;
    bytes[data..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| i16::from_le_bytes(*pair))
        .collect()
}

/// In between by a straight line: coarse, and good enough for tones far below half the rate.
fn resampled(sound: &[i16], rate_hz: usize) -> Vec<i16> {
    let count = sound.len() * rate_hz / 8000;
    let at = |index: usize| f32::from(sound.get(index).copied().unwrap_or(0));
    let sample = |index: usize| {
        let time = index as f32 * 8000.0 / rate_hz as f32;
        let (whole, part) = (time as usize, time.fract());
        (at(whole) * (1.0 - part) + at(whole + 1) * part) as i16
    };
    (0..count).map(sample).collect()
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `make test` installs what is missing"));
    output.stdout
}
