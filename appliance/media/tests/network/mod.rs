//! A far end and a network that misbehaves, for the tests of what is heard.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::f32::consts::TAU;
use std::time::{Duration, Instant};

use branchline_media::voice::Law;

use crate::sound::Dice;

/// What is wrong with the network, or the far end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Each packet is late by up to so much, evenly distributed.
    JitterMs(u32),
    /// So many of a hundred packets are lost.
    LossPercent(u32),
    /// Each tenth packet comes twice.
    Duplicates,
    /// Each tenth packet comes after the one that follows it.
    Swapped,
    /// The far end's clock is fast by so many millionths.
    DriftPpm(i32),
    /// Milliseconds of sound in a packet; 20 where nothing is said.
    PacketMs(usize),
    /// The first timestamp and sequence number are so many packets before their wrap.
    WrapsAfter(u32),
    /// After so many packets another source goes on.
    SourceChangesAfter(usize),
    /// After so many packets the timestamps jump ahead by an hour.
    ClockJumpsAfter(usize),
    /// From this packet on everything takes 60 ms longer.
    SlowerAfter(usize),
    /// After so many packets nothing comes for two seconds, and the timestamps stand still meanwhile.
    FreezesAfter(usize),
}

/// A packet and when it is sent.
pub(crate) type Sent = (Duration, Vec<u8>);

/// Makes packets of a sound.
pub(crate) struct Sender {
    law: Law,
    ssrc: u32,
}

impl Sender {
    pub(crate) fn new(law: Law, seed: u64) -> Sender {
        let ssrc = seed as u32 ^ 0x5eed_0000;
        Sender { law, ssrc }
    }

    pub(crate) fn packets(mut self, sound: &[i16], faults: &[Fault]) -> Vec<Sent> {
        let (mut ms, mut ppm, mut timestamp, mut sequence) = (20, 0, 1_000_000u32, 100u16);
        for fault in faults {
            match fault {
                Fault::PacketMs(of) => ms = *of,
                Fault::DriftPpm(of) => ppm = *of,
                _ => {}
            }
        }
        for fault in faults {
            if let Fault::WrapsAfter(packets) = fault {
                timestamp = 0u32.wrapping_sub(packets * ms as u32 * 8);
                sequence = 0u16.wrapping_sub(*packets as u16);
            }
        }
        let (mut at, mut sent) = (Duration::ZERO, Vec::new());
        for (number, part) in sound.chunks(ms * 8).enumerate() {
            for fault in faults {
                match fault {
                    Fault::SourceChangesAfter(packets) if *packets == number => {
                        (self.ssrc, timestamp, sequence) = (self.ssrc ^ 0xffff, 77, 9);
                    }
                    Fault::ClockJumpsAfter(packets) if *packets == number => timestamp += 3600 * 8000,
                    Fault::FreezesAfter(packets) if *packets == number => at += Duration::from_secs(2),
                    _ => {}
                }
            }
            at += Duration::from_nanos((ms as f64 * 1e6 / (1.0 + f64::from(ppm) / 1e6)) as u64);
            sent.push((at, self.packet((number == 0, sequence, timestamp), part)));
            timestamp = timestamp.wrapping_add(part.len() as u32);
            sequence = sequence.wrapping_add(1);
        }
        sent
    }

    fn packet(&self, (marker, sequence, timestamp): (bool, u16, u32), part: &[i16]) -> Vec<u8> {
        let mut out = vec![0x80, u8::from(marker) << 7 | self.law.payload_type()];
        out.extend(sequence.to_be_bytes());
        out.extend(timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        out.extend(part.iter().map(|sample| self.law.encode(*sample)));
        out
    }
}

/// Carries packets, some of them badly.
pub(crate) struct Network {
    faults: Vec<Fault>,
    dice: Dice,
    waiting: Vec<(Instant, Vec<u8>)>,
}

impl Network {
    pub(crate) fn new(faults: &[Fault], seed: u64) -> Network {
        let (faults, dice, waiting) = (faults.to_vec(), Dice::new(seed), Vec::new());
        Network { faults, dice, waiting }
    }

    pub(crate) fn send(&mut self, start: Instant, packets: Vec<Sent>) {
        for (number, (at, packet)) in packets.into_iter().enumerate() {
            let (mut at, mut copies) = (start + at, 1);
            for fault in &self.faults {
                match fault {
                    Fault::JitterMs(ms) => {
                        at += Duration::from_micros((self.dice.share() * *ms as f32 * 1000.0) as u64);
                    }
                    Fault::LossPercent(percent) if self.dice.share() * 100.0 < *percent as f32 => copies = 0,
                    Fault::Duplicates if number % 10 == 0 => copies = 2,
                    Fault::Swapped if number % 10 == 0 => at += Duration::from_millis(21),
                    Fault::SlowerAfter(packets) if number >= *packets => at += Duration::from_millis(60),
                    _ => {}
                }
            }
            for _ in 0..copies {
                self.waiting.push((at, packet.clone()));
            }
        }
        self.waiting.sort_by_key(|(at, _)| *at);
    }

    /// What has come until now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(Instant, Vec<u8>)> {
        let count = self.waiting.partition_point(|(at, _)| *at <= now);
        self.waiting.drain(..count).collect()
    }
}

/// Where a sine is not one: samples that its two neighbours do not foretell, counted once per 10 ms.
pub(crate) fn clicks(sound: &[i16], hz: f32) -> usize {
    let turn = 2.0 * (TAU * hz / 8000.0).cos();
    let peak = sound.iter().map(|sample| f32::from(*sample).abs()).fold(0.0, f32::max);
    let off = |part: &[i16]| (f32::from(part[0]) + f32::from(part[2]) - turn * f32::from(part[1])).abs();
    // G.711's own steps are a thirtieth of what is coded.
    let clicks = sound.windows(3).enumerate().filter(|(_, part)| off(part) > peak * 0.2);
    let mut stretches: Vec<usize> = clicks.map(|(at, _)| at / 80).collect();
    stretches.dedup();
    stretches.len()
}

/// Level of the whole, as of a sine with its power.
pub(crate) fn level_dbm0(sound: &[i16]) -> f32 {
    let power: f64 = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len() as f64;
    branchline_media::tone::level_dbm0((2.0 * power).sqrt() as f32)
}
