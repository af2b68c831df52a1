// The service's JSON. An answer is data, or an ApiError with the words of its problem document.

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
  if (!pending.has(url)) pending.set(url, request(url).finally(() => pending.delete(url)));
  return pending.get(url);
}

// Open a session, or close it.
export const signIn = (username, password) =>
  request("board/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });

export const signOut = () => request("board/api/session", { method: "DELETE" });

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
