"""A PJSIP telephone driven by JSON lines: commands on stdin, replies and events on stdout.

A command is {"id": 1, "do": "dial", ...}; its reply is {"id": 1, "ok": true, ...}. Events have "event". Calls are
numbered from 1 in the order they begin. Each call plays the tone and records what it hears into call-<n>.wav, with
silence while nothing arrives, so that the recording runs as long as the call.
"""

import json
import os
import queue
import sys
import threading

import pjsua2 as pj

TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
RTP_PORT_FIRST = 12000
RTP_PORTS = 200
POLL_MS = 10


def say(**message):
    print(json.dumps(message), flush=True)


class PhoneCall(pj.Call):
    def __init__(self, phone, pj_id=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, pj_id)
        self.phone = phone
        self.recorder = None
        phone.calls.append(self)
        self.number = len(phone.calls)

    def onCallState(self, prm):
        info = self.getInfo()
        state = info.stateText.lower()
        say(event="call", call=self.number, state=state, code=info.lastStatusCode, reason=info.lastReason,
            remote=info.remoteUri,
            talked_ms=info.connectDuration.sec * 1000 + info.connectDuration.msec)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.recorder = None

    def onCallMediaState(self, prm):
        info = self.getInfo()
        for media in info.media:
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            say(event="media", call=self.number, status=media.status, direction=media.dir)
            if media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                self.connect(self.getAudioMedia(media.index))

    def connect(self, audio):
        if self.recorder is None:
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(os.path.join(self.phone.folder, f"call-{self.number}.wav"))
            self.phone.silence.startTransmit(self.recorder)
        audio.startTransmit(self.recorder)
        self.phone.tone.startTransmit(audio)

    def onCallTransferStatus(self, prm):
        say(event="transfer", call=self.number, code=prm.statusCode, final=prm.finalNotify)

    def onCallTransferRequest(self, prm):
        say(event="referred", call=self.number, to=prm.dstUri)

    def onCallReplaced(self, prm):
        say(event="replaced", call=self.number)

    def onDtmfDigit(self, prm):
        say(event="dtmf", call=self.number, digit=prm.digit)


class PhoneAccount(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, prm):
        say(event="registration", code=prm.code, reason=prm.reason, expires_s=prm.expiration)

    def onIncomingCall(self, prm):
        call = PhoneCall(self.phone, prm.callId)
        info = call.getInfo()
        say(event="incoming", call=call.number, remote=info.remoteUri, to=info.localUri)

    def onInstantMessage(self, prm):
        say(event="message", sender=prm.fromUri, body=prm.msgBody)


class Phone:
    def __init__(self, settings):
        self.folder = settings["folder"]
        self.registrar = settings["registrar"]
        self.transport = settings["transport"]
        self.calls = []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(endpoint_configuration(settings))
        transport = pj.TransportConfig()
        transport.boundAddress = transport.publicAddress = settings["ip"]
        transport.port = PORTS[self.transport]
        self.endpoint.transportCreate(TRANSPORTS[self.transport], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        self.endpoint.codecSetPriority("PCMU/8000/1", 255)
        self.tone = pj.AudioMediaPlayer()
        self.tone.createPlayer(os.path.join(self.folder, "tone.wav"))
        self.silence = pj.AudioMediaPlayer()
        self.silence.createPlayer(os.path.join(self.folder, "silence.wav"))
        self.account = PhoneAccount(self)
        self.account.create(account_configuration(settings, self.uri))

    def uri(self, user):
        parameter = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{user}@{self.registrar}{parameter}" if user else f"sip:{self.registrar}{parameter}"

    def call(self, command):
        return self.calls[command["call"] - 1]

    def do_dial(self, command):
        call = PhoneCall(self)
        call.makeCall(self.uri(command["number"]), pj.CallOpParam(True))
        return {"call": call.number}

    def do_answer(self, command):
        self.call(command).answer(with_code(command))

    def do_hang_up(self, command):
        self.call(command).hangup(with_code(command))

    def do_hang_up_all(self, command):
        self.endpoint.hangupAllCalls()

    def do_hold(self, command):
        self.call(command).setHold(pj.CallOpParam(True))

    def do_resume(self, command):
        prm = pj.CallOpParam(True)
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        self.call(command).reinvite(prm)

    def do_reinvite(self, command):
        self.call(command).reinvite(pj.CallOpParam(True))

    def do_update(self, command):
        self.call(command).update(pj.CallOpParam(True))

    def do_transfer(self, command):
        self.call(command).xfer(self.uri(command["number"]), pj.CallOpParam(True))

    def do_transfer_to_call(self, command):
        self.call(command).xferReplaces(self.calls[command["other"] - 1], pj.CallOpParam(True))

    def do_dtmf(self, command):
        self.call(command).dialDtmf(command["digits"])

    def do_stats(self, command):
        rtcp = self.call(command).getStreamStat(0).rtcp
        info = self.call(command).getStreamInfo(0)
        return {"codec": info.codecName, "remote": info.remoteRtpAddress,
                "sent": rtcp.txStat.pkt, "received": rtcp.rxStat.pkt, "lost": rtcp.rxStat.loss}

    def do_register(self, command):
        self.account.setRegistration(command["renew"])

    def do_message(self, command):
        buddy = pj.Buddy()
        configuration = pj.BuddyConfig()
        configuration.uri = self.uri(command["number"])
        buddy.create(self.account, configuration)
        prm = pj.SendInstantMessageParam()
        prm.content = command["body"]
        buddy.sendInstantMessage(prm)

    def obey(self, command):
        try:
            result = getattr(self, "do_" + command["do"])(command) or {}
            say(id=command["id"], ok=True, **result)
        except pj.Error as error:
            say(id=command["id"], ok=False, error=error.info())

    def close(self):
        self.calls.clear()
        self.tone = self.silence = None
        self.account.shutdown()
        self.endpoint.libDestroy()


def endpoint_configuration(settings):
    configuration = pj.EpConfig()
    configuration.uaConfig.threadCnt = 0
    configuration.uaConfig.mainThreadOnly = True
    configuration.uaConfig.userAgent = "rig-pjsip"
    configuration.medConfig.clockRate = configuration.medConfig.sndClockRate = 8000
    configuration.medConfig.noVad = True
    configuration.medConfig.ecTailLen = 0
    configuration.medConfig.txDropPct = settings["drops_percent"]
    configuration.logConfig.level = 5
    configuration.logConfig.consoleLevel = 0
    configuration.logConfig.filename = os.path.join(settings["folder"], "pjsip.log")
    return configuration


def account_configuration(settings, uri):
    extension = settings["extension"]
    configuration = pj.AccountConfig()
    configuration.idUri = f"sip:{extension}@{settings['registrar']}"
    configuration.regConfig.registrarUri = uri(None)
    configuration.regConfig.timeoutSec = settings.get("expires_s", 600)
    configuration.regConfig.retryIntervalSec = 1
    configuration.regConfig.firstRetryIntervalSec = 1
    credentials = pj.AuthCredInfo("digest", "*", extension, 0, settings["password"])
    configuration.sipConfig.authCreds.append(credentials)
    media = configuration.mediaConfig.transportConfig
    media.boundAddress = media.publicAddress = settings["ip"]
    media.port = RTP_PORT_FIRST
    media.portRange = RTP_PORTS
    return configuration


def with_code(command):
    prm = pj.CallOpParam(True)
    prm.statusCode = command.get("code", 0)
    return prm


def read_commands(commands):
    for line in sys.stdin:
        commands.put(json.loads(line))
    commands.put({"do": "quit"})


def main():
    commands = queue.Queue()
    threading.Thread(target=read_commands, args=(commands,), daemon=True).start()
    phone = Phone(commands.get())
    say(event="ready")
    while True:
        phone.endpoint.libHandleEvents(POLL_MS)
        try:
            command = commands.get_nowait()
        except queue.Empty:
            continue
        if command["do"] == "quit":
            break
        phone.obey(command)
    phone.close()


if __name__ == "__main__":
    main()
