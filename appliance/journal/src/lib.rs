//! What happened on the box: the ordered events and the call record, as data.
