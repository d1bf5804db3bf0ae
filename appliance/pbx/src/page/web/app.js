"use strict";

// Everything shown is set as text, never as HTML: names and numbers come from the network.

const QUIET_MAX_MS = 25000;
const state = { site: "", phones: [], calls: [], trunks: [], emergencies: [], hosted: null, board: null, health: null, update: null, counters: null };
// Time of the box against the clock of this page, which may be wrong.
let boxMinusPage = 0;
let upBase = 0;
let callsAt = 0;
let lastHeard = performance.now();
let lostSince = null;

const byId = (id) => document.getElementById(id);

function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "class") node.className = value;
    else if (name === "scope" || name.startsWith("data-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const tag = (text, tone) => el("span", { class: "tag " + (tone || "") }, text);
const sub = (text) => (text ? el("span", { class: "sub" }, text) : "");

function cell(label, ...children) {
  const shown = children.filter((child) => child !== "" && child !== null && child !== undefined);
  const td = el("td", { "data-label": label, class: shown.length ? "" : "none" });
  if (shown.length) td.append(el("span", {}, ...shown));
  return td;
}

// Replaces only the rows that differ, so that focus, selection and screen readers stay where they are.
function fill(body, rows) {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const wasEmpty = old.size === 0;
  rows.forEach((row, at) => {
    const before = old.get(row.dataset.key);
    old.delete(row.dataset.key);
    let keep = row;
    if (before && before.innerHTML === row.innerHTML) keep = before;
    else if (before) before.replaceWith(row);
    else if (!wasEmpty) row.classList.add("fresh");
    if (body.children[at] !== keep) body.insertBefore(keep, body.children[at] || null);
  });
  old.forEach((row) => row.remove());
}

function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

function longDuration(ms) {
  const m = Math.floor(ms / 60000);
  if (m < 1) return "less than a minute";
  if (m < 60) return `${m} min`;
  if (m < 1440) return `${Math.floor(m / 60)} h ${m % 60} min`;
  return `${Math.floor(m / 1440)} d ${Math.floor((m % 1440) / 60)} h`;
}

const clockText = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
const boxNow = () => performance.timeOrigin + performance.now() + boxMinusPage;

function dateText(ms) {
  const date = new Date(ms);
  const today = new Date().toDateString() === date.toDateString();
  const day = date.toLocaleDateString([], { day: "2-digit", month: "short", year: "numeric" });
  return [today ? "Today" : day, date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })];
}

function plural(n, one, many) {
  return `${n} ${n === 1 ? one : many || one + "s"}`;
}

function mosTag(mos) {
  if (mos === null || mos === undefined) return "";
  const tone = mos >= 3.6 ? "good" : mos >= 3.1 ? "warn" : "bad";
  return tag(`${mos.toFixed(1)} ${mos >= 4 ? "very good" : mos >= 3.6 ? "good" : mos >= 3.1 ? "fair" : "poor"}`, tone);
}

function renderPhones() {
  const rows = state.phones.map((phone) => {
    const reached = phone.contacts.length > 0;
    const mood = phone.calls > 0 ? tag("On a call", "warn") : reached ? tag("Ready", "good") : tag("Not registered");
    const contacts = phone.contacts.map((contact) => el("span", { class: "contact" },
      el("span", { class: "wrap num" }, `${contact.address} ${contact.transport.toUpperCase()}`),
      sub(`${contact.user_agent || "unnamed device"} · until ${clockText(contact.expires_utc_ms)}`)));
    return el("tr", { "data-key": phone.extension },
      el("th", { scope: "row" }, phone.extension, phone.name !== phone.extension ? sub(phone.name) : ""),
      cell("State", mood),
      cell("From", ...contacts));
  });
  fill(byId("rows-phones"), rows);
  const ready = state.phones.filter((phone) => phone.contacts.length > 0).length;
  byId("sum-phones").textContent = state.phones.length ? `${ready} of ${state.phones.length} registered` : "";
  byId("count-phones").textContent = state.phones.length ? `${ready}/${state.phones.length}` : "";
  showEmpty("phones", state.phones.length === 0);
}

const CALL_STATES = {
  ringing: ["Ringing", "warn"], early: ["Ringing", "warn"], up: ["Talking", "good"], held: ["On hold", ""],
  transferring: ["Transferring", "warn"],
};

function talkText(call) {
  const since = performance.now() - callsAt;
  return call.talk_ms === null ? duration(boxNow() - call.started_utc_ms) : duration(call.talk_ms + since);
}

function renderCalls() {
  const rows = state.calls.map((call) => {
    const [word, tone] = CALL_STATES[call.state] || [call.state, ""];
    const via = call.connected_to && call.connected_to !== call.to ? `via ${call.connected_to}` : "";
    const time = el("span", { class: "num", "data-call": call.id });
    return el("tr", { "data-key": call.id },
      el("th", { scope: "row" }, call.from, sub({ inbound: "from outside", outbound: "to outside" }[call.direction] || "")),
      cell("To", call.to, sub(via)),
      cell("State", tag(word, tone), call.emergency ? tag("Emergency", "bad") : ""),
      cell("Time", time),
      cell("Codec", call.codec || ""),
      cell("Quality", mosTag(call.mos)));
  });
  // The ticking text is left out of the comparison of rows.
  document.querySelectorAll("[data-call]").forEach((node) => { node.textContent = ""; });
  fill(byId("rows-calls"), rows);
  tick();
  const up = state.calls.filter((call) => call.talk_ms !== null).length;
  byId("sum-calls").textContent = state.calls.length ? `${up} talking, ${state.calls.length - up} ringing` : "";
  byId("count-calls").textContent = state.calls.length || "";
  showEmpty("calls", state.calls.length === 0);
}

const TRUNK_TONES = { up: "good", registering: "warn", down: "bad", refused: "bad" };

function renderTrunks() {
  const rows = state.trunks.map((trunk) => el("tr", { "data-key": trunk.name },
    el("th", { scope: "row" }, trunk.name),
    cell("State", tag(trunk.state[0].toUpperCase() + trunk.state.slice(1), TRUNK_TONES[trunk.state]), sub(trunk.reason)),
    cell("Address", trunk.address ? el("span", { class: "wrap" }, trunk.address) : ""),
    cell("Round trip", trunk.rtt_ms === null ? "" : el("span", { class: "num" }, `${trunk.rtt_ms} ms`)),
    cell("Calls", el("span", { class: "num" }, String(trunk.calls)))));
  fill(byId("rows-trunks"), rows);
  const up = state.trunks.filter((trunk) => trunk.state === "up").length;
  byId("sum-trunks").textContent = state.trunks.length ? `${up} of ${state.trunks.length} up` : "";
  byId("count-trunks").textContent = state.trunks.length ? `${up}/${state.trunks.length}` : "";
  byId("count-trunks").classList.toggle("bad", up < state.trunks.length);
  showEmpty("trunks", state.trunks.length === 0);
}

function renderEmergencies() {
  const who = (call) => (call.extension && call.extension !== call.name ? `${call.name} (${call.extension})` : call.name);
  const rows = state.emergencies.map((call) => el("tr", { "data-key": call.call },
    el("th", { scope: "row" }, new Date(call.utc_ms).toLocaleString()),
    cell("Caller", who(call), call.active ? tag("Now", "bad") : "", call.extension ? "" : sub("not registered")),
    cell("Number", call.number),
    cell("Location", call.place || tag("Unknown", "bad")),
    cell("Sent over", call.trunk || tag("No way out", "bad")),
    cell("Call back", call.callback || "")));
  fill(byId("rows-emergency"), rows);
  const active = state.emergencies.filter((call) => call.active);
  byId("help").hidden = active.length === 0;
  byId("help").textContent = active.map((call) => `${who(call)} calls ${call.number} from ${call.place || "an unknown place"}`).join(" · ");
  byId("sum-emergency").textContent = active.length ? `${active.length} now` : "";
  byId("count-emergency").textContent = active.length || "";
  byId("count-emergency").classList.toggle("bad", active.length > 0);
  showEmpty("emergency", state.emergencies.length === 0);
}

// What a call would do is asked for when the page is opened, not live.
async function loadOutlook() {
  const sum = byId("sum-outlook");
  let outlook;
  try {
    const reply = await fetch("/api/emergency", { cache: "no-store" });
    if (reply.status === 401) { location.href = "/login"; return; }
    if (!reply.ok) { sum.textContent = (await reply.json()).detail || "The box does not say."; return; }
    outlook = await reply.json();
  } catch { sum.textContent = "The box cannot be reached."; return; }
  const rows = outlook.phones.map((phone, at) => el("tr", { "data-key": `${phone.extension}-${at}` },
    el("th", { scope: "row" }, phone.extension, sub(phone.address || "not registered")),
    cell("Routes", phone.routes.join(", "), phone.way_out ? "" : tag("No way out", "bad")),
    cell("Location", phone.place),
    cell("Call back", phone.callback || "", sub({ elin: "stands for the place", own: "the extension's own", shared: "shared with others" }[phone.line] || "")),
    cell("Missing", phone.missing.length ? tag(phone.missing.join("; "), "warn") : tag("Nothing", "good"))));
  fill(byId("rows-outlook"), rows);
  const lacking = outlook.phones.filter((phone) => phone.missing.length > 0).length;
  sum.textContent = `A call to ${outlook.number}: ${lacking ? `${lacking} of ${outlook.phones.length} lack something` : "nothing is missing"}`;
}

function card(title, value, note) {
  return el("div", {}, el("dt", {}, title), el("dd", {}, value), note ? el("dd", { class: "sub" }, note) : "");
}

function renderHealth() {
  const health = state.health;
  // Before the first view of a starting box there is nothing to say.
  if (!health || health.database === "") return;
  const down = state.trunks.filter((trunk) => trunk.state !== "up").length;
  const database = {
    normal: [tag("Normal", "good"), "Every record is safe on disk."],
    recovering: [tag("Recovering", "warn"), "It catches up with the journal; calls go on."],
    degraded: [tag("Degraded", "bad"), "Calls go on; records wait in the journal."],
  }[health.database] || [health.database, ""];
  const faults = [health.database !== "normal" || health.storage_faults.length > 0, !health.clock_trusted, health.ports_free === 0, health.overloaded, health.awaits_restart.length > 0, down > 0, boardFails(state.board),
    Boolean(state.update && state.update.fault)]
    .filter(Boolean).length;
  byId("health").replaceChildren(
    card("Call database", database[0], [database[1], ...health.storage_faults].join(" ")),
    card("Waiting for disk", plural(health.journal_pending, "entry", "entries")),
    card("Clock", health.clock_trusted ? tag("Trusted", "good") : tag("Not trusted", "warn"),
      health.clock_trusted ? "" : "Times in records may be wrong until a time server is reached."),
    card("Trunks", state.trunks.length === 0 ? "None" : tag(`${state.trunks.length - down} of ${state.trunks.length} up`, down ? "bad" : "good"),
      down ? "The Trunks page says why." : ""),
    ...hostedCard(state.hosted),
    card("Load", health.overloaded ? tag("Shedding new calls", "bad") : tag("Normal", "good"),
      health.overloaded ? "Emergency calls still go through." : ""),
    card("Media ports free", health.ports_free === 0 ? tag("None", "bad") : String(health.ports_free),
      health.ports_free === 0 ? "New calls have no audio path." : ""),
    ...boardCard(state.board),
    ...restartCard(health.awaits_restart),
    ...versionCard(state.update),
    card("Shut out", health.banned.length ? plural(health.banned.length, "address", "addresses") : "Nobody",
      health.banned.length ? health.banned.slice(0, 20).join(", ") + (health.banned.length > 20 ? " …" : "") : ""));
  byId("sum-health").textContent = faults ? plural(faults, "thing needs", "things need") + " attention" : "Everything works";
  byId("count-health").textContent = faults || "";
  byId("count-health").classList.toggle("bad", faults > 0);
}

function boardFails(board) {
  return Boolean(board) && (!board.is_running || board.faults.length > 0);
}

function boardCard(board) {
  if (!board || (board.is_running && !board.devices.length && !board.faults.length)) return [];
  if (!board.is_running) return [card("Board", tag("Not served", "bad"), `${board.model}: its program has stopped; lights and buttons are dead.`)];
  const works = board.devices.length ? `Works: ${board.devices.join(", ")}.` : "";
  return [card("Board", board.faults.length ? tag(plural(board.faults.length, "fault", "faults"), "bad") : tag("Works", "good"),
    [`${board.model}.`, works, ...board.faults.map((fault) => `${fault.text}; ${fault.fix}.`)].filter(Boolean).join(" "))];
}

function versionCard(update) {
  if (!update) return [];
  const tone = update.fault ? "bad" : update.trial ? "warn" : "good";
  const note = [update.trial ? `Version ${update.trial} is on trial.` : "", update.fault, update.fault ? "" : update.last];
  return [card("Version", tag(update.version, tone), note.filter(Boolean).join(" "))];
}

function restartCard(keys) {
  if (!keys.length) return [];
  return [card("Configuration", tag("Restart wanted", "warn"), `Changes that wait for a restart: ${keys.join(", ")}.`)];
}

const HOSTED_TONES = { online: "good", suspect: "good", survival: "bad", returning: "warn" };

function hostedCard(hosted) {
  if (!hosted) return [];
  const since = new Date(hosted.since_utc_ms).toLocaleString();
  const lines = `${hosted.lines_confirmed} of ${plural(hosted.lines, "line", "lines")} confirmed.`;
  return [card("Hosted PBX", tag(hosted.mode[0].toUpperCase() + hosted.mode.slice(1), HOSTED_TONES[hosted.mode]),
    [`Since ${since}: ${hosted.reason}.`, lines, ...hosted.problems].join(" "))];
}

const COUNTERS = [
  ["registrations", "Registrations now"], ["calls_started", "Calls started"], ["calls_answered", "Calls answered"],
  ["calls_emergency", "Emergency calls"], ["calls_shed", "Calls shed"], ["requests_shed", "Requests shed"],
  ["registers_accepted", "Registers accepted"],
  ["auth_failures", "Wrong passwords"], ["banned_requests", "Requests shut out"], ["sip_received", "SIP received"],
  ["sip_sent", "SIP sent"], ["sip_retransmitted", "SIP sent again"], ["sip_malformed", "SIP malformed"],
  ["journal_entries", "Journal entries"],
];

function renderCounters() {
  if (!state.counters) return;
  const figure = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const up = el("dd", { id: "up" });
  byId("counters").replaceChildren(el("div", {}, el("dt", {}, "Running for"), up),
    ...COUNTERS.map(([key, name]) => figure(name, state.counters[key].toLocaleString())));
  tick();
}

function showEmpty(name, empty) {
  byId("empty-" + name).hidden = !empty;
  byId("rows-" + name).closest("table").hidden = empty;
}

// Once a second: what counts up by itself, and whether the box is still heard.
function tick() {
  const calls = new Map(state.calls.map((call) => [call.id, call]));
  document.querySelectorAll("[data-call]").forEach((node) => {
    const call = calls.get(node.dataset.call);
    if (call) node.textContent = talkText(call);
  });
  const up = byId("up");
  if (up) up.textContent = longDuration(upBase + performance.now());
}

function heard() {
  lastHeard = performance.now();
  if (lostSince === null && byId("link").classList.contains("live")) return;
  lostSince = null;
  byId("link").className = "link live";
  byId("link-text").textContent = "Live";
  byId("lost").hidden = true;
  document.body.classList.remove("lost");
}

function lose() {
  if (lostSince === null) lostSince = new Date(performance.timeOrigin + lastHeard);
  byId("link").className = "link gone";
  byId("link-text").textContent = "Not live";
  const text = `Connection lost since ${lostSince.toLocaleTimeString()}. What is shown may be out of date; trying again.`;
  if (byId("lost").textContent !== text) byId("lost").textContent = text;
  byId("lost").hidden = false;
  document.body.classList.add("lost");
}

function take(update) {
  boxMinusPage = update.now_utc_ms - (performance.timeOrigin + performance.now());
  upBase = update.up_ms - performance.now();
  if (update.site && update.site !== state.site) {
    byId("site").textContent = update.site;
    document.title = `${update.site} · Branchline`;
  }
  for (const part of ["site", "phones", "calls", "trunks", "emergencies", "hosted", "board", "health", "update", "counters"]) {
    if (part in update) state[part] = update[part];
  }
  if ("calls" in update) callsAt = performance.now() - update.age_ms;
  if ("phones" in update) renderPhones();
  if ("calls" in update) renderCalls();
  if ("trunks" in update) renderTrunks();
  if ("emergencies" in update) renderEmergencies();
  if ("health" in update || "trunks" in update || "hosted" in update || "board" in update || "update" in update) renderHealth();
  if ("counters" in update) renderCounters();
  heard();
}

let source = null;
let retryMs = 1000;

function connect() {
  if (source) source.close();
  source = new EventSource("/events");
  source.addEventListener("view", (event) => { retryMs = 1000; take(JSON.parse(event.data)); });
  source.addEventListener("beat", heard);
  source.addEventListener("error", () => {
    lose();
    source.close();
    setTimeout(reconnect, retryMs);
    retryMs = Math.min(retryMs * 2, 15000);
  });
}

// EventSource does not say why it failed: asking tells "log in again" from "not there".
async function reconnect() {
  try {
    const reply = await fetch("/api/view", { cache: "no-store" });
    if (reply.status === 401) { location.href = "/login"; return; }
  } catch { /* The next attempt is made by connect. */ }
  connect();
}

setInterval(() => {
  tick();
  if (performance.now() - lastHeard > QUIET_MAX_MS && lostSince === null) { lose(); connect(); }
}, 1000);

// Records: asked for, not live.

let cursors = [null];
let next = null;
let asked = 0;

const OUTCOMES = {
  answered: ["Answered", "good"], busy: ["Busy", ""], no_answer: ["No answer", "warn"], cancelled: ["Cancelled", ""],
  refused: ["Refused", "warn"], failed: ["Failed", "bad"], interrupted: ["Interrupted", "bad"],
};

function partyLines(party) {
  const main = party.normalised || party.dialled || "unknown";
  const names = [party.display, party.dialled].filter((text) => text && text !== main);
  return [main, sub(names.join(" · "))];
}

function recordRow(record) {
  const [day, time] = dateText(record.started.utc_ms);
  const [word, tone] = OUTCOMES[record.outcome] || [record.outcome, ""];
  const scores = record.legs.map((leg) => leg.mos).filter((mos) => typeof mos === "number");
  const codecs = [...new Set(record.legs.map((leg) => leg.codec))].join(" / ");
  const status = record.outcome !== "answered" && record.sip_status ? `SIP ${record.sip_status}` : "";
  const trunk = record.trunks.length ? `over ${record.trunks.join(", ")}` : "";
  const doubt = record.started.clock_trusted ? "" : "clock was not trusted";
  return el("tr", { "data-key": record.id },
    el("th", { scope: "row", class: "num" }, `${day} ${time}`, sub(doubt)),
    cell("From", ...partyLines(record.from)),
    cell("To", ...partyLines(record.to), sub(trunk)),
    cell("Outcome", tag(word, tone), record.emergency ? tag("Emergency", "bad") : "", sub(status)),
    cell("Talk", record.talk_ms ? el("span", { class: "num" }, duration(record.talk_ms)) : ""),
    cell("Quality", scores.length ? mosTag(Math.min(...scores)) : "", scores.length ? sub(codecs) : ""));
}

function dayStart(value, days) {
  if (!value) return null;
  const [year, month, day] = value.split("-").map(Number);
  return new Date(year, month - 1, day + days).getTime();
}

async function loadRecords() {
  const query = new URLSearchParams();
  const put = (name, value) => { if (value !== null && value !== "") query.set(name, value); };
  put("number", byId("number").value.trim());
  put("since_utc_ms", dayStart(byId("since").value, 0));
  put("until_utc_ms", dayStart(byId("until").value, 1));
  put("after", cursors[cursors.length - 1]);
  const turn = ++asked;
  let page = { records: [] };
  let fault = "";
  try {
    const reply = await fetch("/api/records?" + query, { cache: "no-store" });
    if (reply.status === 401) { location.href = "/login"; return; }
    const body = await reply.json();
    if (reply.ok) page = body;
    else fault = `${body.title}. ${body.detail || ""}`;
  } catch {
    fault = "The box does not answer. Try again.";
  }
  if (turn !== asked) return;
  byId("rows-records").replaceChildren();
  fill(byId("rows-records"), page.records.map(recordRow));
  next = page.next ?? null;
  byId("empty-records").textContent = fault || (query.size ? "No call fits." : "No calls yet.");
  showEmpty("records", page.records.length === 0);
  byId("sum-records").textContent = page.records.length ? `${plural(page.records.length, "call")}, latest first` : "";
  byId("pager").hidden = cursors.length === 1 && next === null;
  byId("newer").disabled = cursors.length === 1;
  byId("older").disabled = next === null;
  byId("pager-text").textContent = `Page ${cursors.length}`;
}

function searchAnew() {
  cursors = [null];
  loadRecords();
}

byId("search").addEventListener("submit", (event) => { event.preventDefault(); searchAnew(); });
byId("search").addEventListener("reset", () => setTimeout(searchAnew));
byId("older").addEventListener("click", () => { cursors.push(next); loadRecords(); });
byId("newer").addEventListener("click", () => { cursors.pop(); loadRecords(); });

const PAGES = ["phones", "calls", "records", "trunks", "emergency", "health"];

function show(moveFocus) {
  const wanted = PAGES.includes(location.hash.slice(1)) ? location.hash.slice(1) : "phones";
  for (const name of PAGES) byId("page-" + name).hidden = name !== wanted;
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.hash === "#" + wanted) { link.setAttribute("aria-current", "page"); link.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    else link.removeAttribute("aria-current");
  });
  if (wanted === "records") loadRecords();
  if (wanted === "emergency") loadOutlook();
  if (moveFocus) { byId("main").focus({ preventScroll: true }); window.scrollTo(0, 0); }
}

window.addEventListener("hashchange", () => show(true));
show(false);
connect();
