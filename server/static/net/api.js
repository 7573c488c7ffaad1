import { words } from "../words.js";

/**
 * The server's HTTP side, as this page uses it: JSON in and out, with the cookies of this browser's login.
 */

const CSRF = /(?:^|; )(?:__Host-|__Secure-)?parley-csrf=([^;]+)/;

/** What the server calls by the name of a field, and a character by its number. */
const SUBJECT = /^(u|name|username|room|title) (?=contains |has )/;
const CODE_POINT = / U\+[0-9A-F]{4,6},/;

/** The server's message as a sentence. @param {{message?: string}} error */
export function sentence({ message }) {
  const said = String(message ?? "").trim() || words.trouble.refused;
  const text = said.replace(SUBJECT, (_, field) => `${words.trouble.subjects[field]} `).replace(CODE_POINT, "");
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

/** A sentence with the time after which to try again. @param {string} text @param {number} [seconds] */
export function withWait(text, seconds = 0) {
  return seconds > 0 ? words.trouble.tryIn(text, seconds) : text;
}

/** A refused or failed request or command. `code` is one of docs/protocol.md, or "" if the server gave no answer. */
export class Refused extends Error {
  /**
   * @param {string} code @param {string} text a readable sentence
   * @param {{status?: number, fields?: Record<string, string>, retryable?: boolean, wait?: number}} [more] `fields`: a
   *   sentence for each wrong field; `wait`: seconds after which to try again
   */
  constructor(code, text, { status = 0, fields = {}, retryable = false, wait = 0 } = {}) {
    super(text);
    this.code = code;
    this.status = status;
    this.fields = fields;
    this.retryable = retryable;
    this.wait = wait;
  }

  /** A command that was refused by an `error`. @param {import("../state/types.js").Refusal} error */
  static of({ code, field, retryable, retry_after, message }) {
    const text = withWait(sentence({ message }), retry_after);
    return new Refused(code, text, { fields: field ? { [field]: text } : {}, retryable, wait: retry_after });
  }
}

/**
 * The CSRF token of this browser's login, as its cookie has it. It is there for as long as the login, so it also tells
 * whether there is one, without a request. The cookie of the longest path is the first one (RFC 6265, 5.4).
 * @returns {string} "" without a login
 */
export function csrfToken() {
  return CSRF.exec(document.cookie)?.[1] ?? "";
}

export class Api {
  /** The refresh under way. @type {Promise<any> | null} */ #refreshing = null;

  /** @param {string} [base] the address of the page: the server may be below a path of a proxy */
  constructor(base = document.baseURI) {
    this.base = base;
  }

  /**
   * Send a request, and once more after a refresh if its access token has expired.
   * @param {"GET"|"POST"|"PUT"|"PATCH"|"DELETE"} method @param {string} path such as "me"
   * @param {object} [body]
   * @param {{token?: string, renews?: boolean}} [options] `token`: act for a guest instead of the login;
   *   `renews`: false where 401 does not mean an expired token
   * @returns {Promise<any>} null for an empty answer
   * @throws {Refused}
   */
  async ask(method, path, body, { token, renews = true } = {}) {
    const send = () => this.#send(method, path, body, token);
    return renews && !token ? this.#renewing(send) : send();
  }

  /**
   * Get a file. @param {string} path
   * @param {{token?: string, onProgress?: (bytes: number) => void}} [options] `token`: act for a guest instead of the login
   * @returns {Promise<Blob>} @throws {Refused}
   */
  download(path, { token, onProgress = () => {} } = {}) {
    const get = async () => {
      const response = await this.#fetch("GET", path, undefined, token);
      try {
        return await received(response, onProgress);
      } catch {
        throw new Refused("", words.trouble.downloadCut, { retryable: true });
      }
    };
    return token ? get() : this.#renewing(get);
  }

  /** @template T @param {() => Promise<T>} send @returns {Promise<T>} */
  async #renewing(send) {
    try {
      return await send();
    } catch (error) {
      const expired = error instanceof Refused && error.code === "unauthorized";
      if (!expired || !csrfToken()) throw error;
      await this.refresh();
      return send();
    }
  }

  /**
   * Get new tokens into the cookies. All tabs of a browser have one login: they take turns, and one that waited uses
   * the cookies that the tab before it received.
   * @returns {Promise<any>} the account
   * @throws {Refused} `unauthorized`: the login has ended, and its cookies were removed
   */
  refresh() {
    this.#refreshing ??= this.#inTurn(() => this.#send("POST", "refresh", {})).finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  /** @param {() => Promise<any>} work @returns {Promise<any>} */
  #inTurn(work) {
    if (!navigator.locks) return work(); // plain http beyond localhost; the server allows two at once for 10 s
    return navigator.locks.request(`parley.refresh.${new URL(".", this.base).pathname}`, work);
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {string} [token] @returns {Promise<any>} */
  async #send(method, path, body, token) {
    const response = await this.#fetch(method, path, body, token);
    return parsed(await response.text().catch(() => ""));
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {string} [token] @returns {Promise<Response>} */
  async #fetch(method, path, body, token) {
    /** @type {Record<string, string>} */
    const headers = method === "GET" ? {} : { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    else if (method !== "GET" && csrfToken()) headers["X-CSRF-Token"] = csrfToken();
    let response;
    try {
      const json = method === "GET" ? undefined : JSON.stringify(body ?? {});
      const credentials = token ? "omit" : "same-origin";
      response = await fetch(new URL(`api/${path}`, this.base), { method, headers, body: json, credentials, cache: "no-store" });
    } catch {
      throw new Refused("", words.trouble.notReached, { retryable: true });
    }
    if (response.ok) return response;
    const data = parsed(await response.text().catch(() => ""));
    throw refusal(response.status, data, Number(response.headers.get("Retry-After")));
  }
}

/** @param {Response} response @param {(bytes: number) => void} onProgress @returns {Promise<Blob>} */
async function received(response, onProgress) {
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
  const chunks = [];
  for (let bytes = 0, chunk; !(chunk = await reader.read()).done; ) {
    chunks.push(chunk.value);
    bytes += chunk.value.length;
    onProgress(bytes);
  }
  return new Blob(chunks, { type: response.headers.get("Content-Type") ?? "" });
}

/** @param {string} text @returns {any} null if it is not JSON, as from a proxy in front of a stopped server */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {number} status @param {any} data @param {number} wait seconds */
function refusal(status, data, wait) {
  const error = data?.error ?? {};
  const text = withWait(error.message ? sentence(error) : `The server answered with an error (${status}).`, wait);
  /** @type {Record<string, string>} */
  const fields = {};
  for (const [name, wrong] of Object.entries(error.fields ?? {})) fields[name] = sentence({ message: String(wrong) });
  if (error.field && !fields[error.field]) fields[error.field] = text;
  return new Refused(error.code ?? "", text, { status, fields, retryable: error.retryable ?? status >= 500, wait });
}
