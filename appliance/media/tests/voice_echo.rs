//! The echo of a hybrid, like the models of ITU-T G.168, and what is left of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by reading the clock"
)]

mod network;
mod sound;

use std::time::{Duration, Instant};

use branchline_config::country;
use branchline_media::rtp::Rtp;
use branchline_media::voice::{
    Channel, ChannelConfig, ChannelPlan, Device, EchoFigures, FRAME_SAMPLES, Frame, Gains, Hear, Law, Talk,
};
use branchline_sdp::Direction;
use network::{Sender, level_dbm0};
use sound::{Dice, Sound, silence};

/// A hybrid behind some buffers: dispersed over so many milliseconds, so much weaker than what goes in.
#[derive(Clone, Copy, Debug)]
struct Hybrid {
    delay_ms: usize,
    dispersion_ms: usize,
    loss_db: f32,
}

impl Hybrid {
    fn response(self, seed: u64) -> Vec<f32> {
        let (mut dice, count) = (Dice::new(seed), self.dispersion_ms * 8);
        let ring = dice.between(0.5, 2.0);
        let value = |at: usize| {
            let fade = (-5.0 * at as f32 / count as f32).exp();
            fade * ((at as f32 * ring).cos() + 0.3 * (at as f32 * ring * 0.37).sin())
        };
        let shape: Vec<f32> = (0..count).map(value).collect();
        let energy: f32 = shape.iter().map(|value| value * value).sum();
        let scale = 10f32.powf(-self.loss_db / 20.0) / energy.sqrt();
        let delay = std::iter::repeat_n(0.0, self.delay_ms * 8);
        delay.chain(shape.into_iter().map(|value| value * scale)).collect()
    }
}

/// A telephone whose hybrid returns what the far end says; someone may speak into it as well.
struct Rig {
    telephone: Channel,
    response: Vec<f32>,
    played: Vec<f32>,
    /// A line is never quite quiet.
    noise: Dice,
    start: Instant,
    frames: u32,
}

/// What went on in a stretch of time.
struct Heard {
    /// What the microphone of the telephone had, before anything was done.
    echo: Sound,
    /// What was sent to the far end.
    sent: Sound,
}

impl Rig {
    fn new(hybrid: Hybrid, echo_tail_ms: u16) -> Rig {
        let start = Instant::now();
        let mut telephone = Channel::new(ChannelConfig {
            analog: country::by_code("US").unwrap().analog,
            device: Device::Telephone,
            gains: Gains::default(),
            echo_tail_ms,
            seed: 1,
        });
        let talk = Talk {
            remote: "127.0.0.1:4000".parse().unwrap(),
            law: Law::Pcmu,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
        };
        let plan = ChannelPlan {
            hear: Hear::Far,
            talk: Some(talk),
        };
        telephone.handle_plan(start, plan);
        Rig {
            telephone,
            response: hybrid.response(3),
            played: vec![0.0; 4000],
            noise: Dice::new(2),
            start,
            frames: 0,
        }
    }

    fn run(&mut self, far: &[i16], near: &[i16]) -> Heard {
        let (mut echo, mut sent) = (Sound::new(), Sound::new());
        let packets = Sender::new(Law::Pcmu, 1 + u64::from(self.frames)).packets(far, &[]);
        for (packet, near) in packets.iter().zip(near.as_chunks::<FRAME_SAMPLES>().0) {
            self.frames += 1;
            let now = self.start + Duration::from_millis(20) * self.frames;
            self.telephone.handle_packet(now, &packet.1);
            let returned = self.returned();
            echo.extend(returned);
            let mut microphone = *near;
            let noise = self.noise.noise(-62.0, 20);
            for (sample, more) in microphone.iter_mut().zip(returned.iter().zip(noise)) {
                *sample = sample.saturating_add(*more.0).saturating_add(more.1);
            }
            self.telephone.handle_microphone(now, &microphone);
            let packet = self.telephone.poll_packet().unwrap();
            let rtp = Rtp::parse(packet.as_ref()).unwrap();
            sent.extend(rtp.payload.iter().map(|code| Law::Pcmu.decode(*code)));
            let mut frame = [0; FRAME_SAMPLES];
            self.telephone.fill_speaker(now, &mut frame);
            self.played.extend(frame.map(f32::from));
        }
        Heard { echo, sent }
    }

    /// What of the frames before comes back now.
    fn returned(&self) -> Frame {
        let end = self.played.len();
        std::array::from_fn(|number| {
            let newest = end - FRAME_SAMPLES + number;
            let taps = self.response.iter().enumerate();
            taps.map(|(back, weight)| weight * self.played[newest - back])
                .sum::<f32>() as i16
        })
    }

    fn echo(&self) -> EchoFigures {
        self.telephone.figures().echo.unwrap()
    }
}

const HYBRIDS: [Hybrid; 4] = [
    hybrid(0, 6, 6.0),
    hybrid(30, 12, 10.0),
    hybrid(80, 20, 12.0),
    hybrid(10, 40, 20.0),
];

const fn hybrid(delay_ms: usize, dispersion_ms: usize, loss_db: f32) -> Hybrid {
    Hybrid {
        delay_ms,
        dispersion_ms,
        loss_db,
    }
}

fn erle_db(heard: &Heard) -> f32 {
    level_dbm0(&heard.echo) - level_dbm0(&heard.sent)
}

#[test]
fn an_echo_is_taken_away_whatever_the_hybrid() {
    for hybrid in HYBRIDS {
        for kind in ["noise", "speech"] {
            let mut rig = Rig::new(hybrid, 32);
            let mut dice = Dice::new(4);
            let mut far = |ms| match kind {
                "noise" => dice.noise(-16.0, ms),
                _ => dice.speech(ms)[..ms * 8].to_vec(),
            };
            let first = rig.run(&far(1000), &silence(1000));
            rig.run(&far(5000), &silence(5000));
            let last = rig.run(&far(4000), &silence(4000));
            let figures = rig.echo();
            eprintln!(
                "{kind}, {hybrid:?}: ERLE {:.1} dB in the first second, {:.1} dB after 6 s; said {figures:?}",
                erle_db(&first),
                erle_db(&last)
            );
            let least = if kind == "noise" { 32.0 } else { 18.0 };
            assert!(erle_db(&last) > least, "{kind}, {hybrid:?}: {} dB", erle_db(&last));
            assert!(
                (figures.erle_db - erle_db(&last)).abs() < 12.0,
                "{kind}, {hybrid:?}: {figures:?}"
            );
            let delay_ms = 20.0 + hybrid.delay_ms as f32;
            assert!(
                (figures.delay_ms - delay_ms).abs() < 4.0,
                "{kind}, {hybrid:?}: {figures:?}"
            );
        }
    }
}

#[test]
fn who_speaks_while_the_far_end_speaks_is_heard_and_the_echo_stays_away() {
    let mut rig = Rig::new(HYBRIDS[1], 32);
    let mut dice = Dice::new(5);
    rig.run(&dice.noise(-16.0, 5000), &silence(5000));
    let near = Dice::new(6).speech(5000)[..40_000].to_vec();
    let both = rig.run(&dice.noise(-16.0, 5000), &near);
    // Where the near voice is loud, it is sent as it is.
    let parts = near
        .chunks(800)
        .zip(both.sent.chunks(800))
        .filter(|(near, _)| level_dbm0(near) > -20.0);
    let off: Vec<f32> = parts
        .map(|(near, sent)| (level_dbm0(near) - level_dbm0(sent)).abs())
        .collect();
    assert!(off.len() > 10 && off.iter().all(|off| *off < 2.0), "{off:?}");
    let after = rig.run(&dice.noise(-16.0, 500), &silence(500));
    assert!(erle_db(&after) > 20.0, "at once after it: {} dB", erle_db(&after));
}

#[test]
fn another_way_of_the_echo_is_learnt_within_seconds() {
    let mut rig = Rig::new(HYBRIDS[1], 32);
    let mut dice = Dice::new(7);
    rig.run(&dice.noise(-16.0, 4000), &silence(4000));
    rig.response = HYBRIDS[2].response(9);
    rig.run(&dice.noise(-16.0, 3000), &silence(3000));
    let after = rig.run(&dice.noise(-16.0, 1000), &silence(1000));
    assert!(erle_db(&after) > 20.0, "{} dB", erle_db(&after));
}

#[test]
fn without_a_canceller_and_without_an_echo_nothing_is_changed() {
    let near = Dice::new(8).speech(4000)[..32_000].to_vec();
    for (hybrid, tail_ms) in [(hybrid(10, 10, 90.0), 32), (hybrid(10, 10, 90.0), 0)] {
        let mut rig = Rig::new(hybrid, tail_ms);
        let heard = rig.run(&Dice::new(9).noise(-20.0, 4000), &near);
        let off = level_dbm0(&near) - level_dbm0(&heard.sent);
        assert!(off.abs() < 0.5, "{tail_ms} ms: {off} dB");
    }
}
