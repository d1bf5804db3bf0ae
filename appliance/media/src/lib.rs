//! The media relay without I/O: latching, RTP and RTCP, DTMF, quality.
