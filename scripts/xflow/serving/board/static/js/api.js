// The service's JSON. An answer is data, or an ApiError with the words of its problem document.

import { keep, kept } from "./kept.js";

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const pending = new Map();

// Ask the board's API; parameters that are empty are left out. The same question asked twice at once is asked once.
export function ask(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const query = new URLSearchParams(given).toString();
  const url = `board/api/${path}${query ? "?" + query : ""}`;
  if (!pending.has(url))
    pending.set(
      url,
      request(url).finally(() => pending.delete(url)),
    );
  return pending.get(url);
}

const UNTIL = "xflow-session-until";

// Open a session; until when it lasts is remembered, so that nobody who has none is asked for one.
export async function signIn(username, password) {
  const session = await request("board/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  keep(UNTIL, session.expires_at);
}

export async function signOut() {
  keep(UNTIL, "");
  await request("board/api/session", { method: "DELETE" });
}

// Fail with status 401 unless a session is open.
export async function session() {
  const until = kept(UNTIL);
  if (until !== null && !(new Date(until) > new Date())) throw new ApiError(401, "");
  await ask("session");
}

async function request(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" }, ...options });
  } catch {
    throw new ApiError(0, "");
  }
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (!answer.ok) throw new ApiError(answer.status, body?.detail ?? "");
  return body;
}
