//! Answers: whether one fits its offer, and how to make it fit (RFC 3264 section 6).

use crate::{AnswerError, Media, Sdp, Stream};

/// Checks number, type, transport, direction and codecs of every answered stream.
///
/// # Errors
/// The first rule that the answer breaks.
pub fn check_answer(offer: &Sdp, answer: &Sdp) -> Result<(), AnswerError> {
    let (offered, answered) = (offer.media.len(), answer.media.len());
    if offered != answered {
        return Err(AnswerError::StreamCount { offered, answered });
    }
    offer
        .streams()
        .zip(answer.streams())
        .try_for_each(|(offer, answer)| check_stream(&offer, &answer))
}

pub(crate) fn align(answer: &Sdp, offer: &Sdp) -> Sdp {
    let place = offer.carried().map(|stream| stream.index);
    let carried = answer.carried().map(|stream| stream.media);
    let media = offer.media.iter().enumerate().map(|(index, offered)| match carried {
        Some(media) if Some(index) == place => media.clone(),
        Some(_) | None => offered.declined(),
    });
    Sdp {
        session: answer.session.clone(),
        media: media.collect(),
    }
}

fn check_stream(offer: &Stream<'_>, answer: &Stream<'_>) -> Result<(), AnswerError> {
    let stream = offer.index;
    if !offer.media.kind.eq_ignore_ascii_case(&answer.media.kind) {
        return Err(AnswerError::MediaType { stream });
    }
    if answer.media.port == 0 {
        return Ok(());
    }
    if offer.media.port == 0 {
        return Err(AnswerError::AcceptedDeclined { stream });
    }
    if !offer.media.protocol.eq_ignore_ascii_case(&answer.media.protocol) {
        return Err(AnswerError::Protocol { stream });
    }
    if !offer.direction().allows_answer(answer.direction()) {
        return Err(AnswerError::Direction { stream });
    }
    if offer.media.is_rtp() && !has_common_codec(offer.media, answer.media) {
        return Err(AnswerError::NoCommonCodec { stream });
    }
    Ok(())
}

fn has_common_codec(offer: &Media, answer: &Media) -> bool {
    let offered = offer.codecs();
    answer
        .codecs()
        .iter()
        .any(|codec| offered.iter().any(|other| codec.is_same_encoding(other)))
}
