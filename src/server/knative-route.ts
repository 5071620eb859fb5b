import type { TimeLimit } from '../executor/time-limit.js';
import type { Exchange } from '../http/exchange.js';
import type { Header, RunAnswer } from '../protocol/answer.js';
import { type KnativeMethod, parseHttpMethods } from '../protocol/knative/methods.js';
import type { KnativeContext } from '../protocol/knative/request.js';
import { corsHeaders, type EmbeddedInit, type KnativeAnswer } from '../protocol/knative/response.js';
import type { Received } from '../protocol/received.js';
import { wipe } from '../protocol/wipe.js';
import { deliveryOf, sendFailure, sendShaped, sendText, timingHeaders, warningHeaders } from './answer.js';
import { initialise } from './init-route.js';
import { receive } from './receive.js';
import { type ActivationAnswer, activate } from './run-route.js';
import type { ServerContext } from './server-context.js';

/** What of a request only the main thread sees. */
type HttpContext = Pick<KnativeContext, 'method' | 'headers' | 'query' | 'accessControlRequestHeaders'>;

/** What came of a request: an activation, or an init that goes first. */
interface RouteAnswer {
  readonly shape: KnativeAnswer['shape'] | undefined;
  readonly embeddedInit: KnativeAnswer['embeddedInit'] | undefined;
  readonly activation: ActivationAnswer | undefined;
}

/**
 * The one route of Knative mode (C-KN-01 to C-KN-21): init, run, or both in one request, in front of POST /init and
 * POST /run.
 */
export class KnativeRoute {
  readonly methods: readonly KnativeMethod[];
  readonly #context: ServerContext;
  /** The action that the environment brings (C-KN-09). */
  readonly #dedicatedInit: Buffer | undefined;
  #raw = false;
  #actionName = '';

  constructor(context: ServerContext) {
    this.#context = context;
    const { methods, warnings } = parseHttpMethods(process.env.__OW_HTTP_METHODS);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    this.methods = methods;
    this.#dedicatedInit = dedicatedInit(process.env);
  }

  /** Answers a request at `/`. */
  async handle(exchange: Exchange): Promise<void> {
    const http = httpContextOf(exchange);
    const context = this.#context;
    const received = await receive(exchange, context);
    if (received === undefined) return;
    const failure = await this.#initialiseDedicated(received);
    if (failure !== undefined) {
      sendFailure(exchange, failure);
      return;
    }
    const answer = await this.#run(received, http, false);
    if (answer.embeddedInit === undefined) this.#send(exchange, answer, http, received);
    else await this.#initialise(exchange, { received, http, brings: answer.embeddedInit });
    wipe(received.body);
    if (answer.embeddedInit?.rest !== undefined) wipe(answer.embeddedInit.rest);
  }

  /**
   * Initialises from the environment at the first request (C-KN-09). Requests that come meanwhile wait without an
   * answer of their own.
   */
  async #initialiseDedicated(received: Received): Promise<RunAnswer['failure']> {
    const body = this.#dedicatedInit;
    const { action, pool } = this.#context;
    if (body === undefined || action.isInitialised) return undefined;
    this.#raw = process.env.__OW_ACTION_RAW?.toLowerCase() === 'true';
    this.#actionName = process.env.__OW_ACTION_NAME ?? '';
    const { failure } = await initialise(
      { ...received, body, reservation: this.#context.budget.reserve() },
      this.#context,
      // In memory of its own: it may be moved, and after a failure it is needed again.
      () => pool.init({ kind: 'init', body: new Uint8Array(body) }),
      () => Promise.resolve({ durationMs: 0, codeBytes: 0 }),
    );
    return failure;
  }

  async #initialise(
    exchange: Exchange,
    { received, http, brings }: { received: Received; http: HttpContext; brings: EmbeddedInit },
  ): Promise<void> {
    const { pool } = this.#context;
    const { body } = brings;
    const { failure, warning } = await initialise({ ...received, body }, this.#context, async () => {
      const answer = await pool.init({ kind: 'knative-init', body });
      if (answer.failure === undefined) {
        this.#raw = brings.raw;
        this.#actionName = brings.name;
      }
      return answer;
    });
    // An init that comes too late does not keep its run from the first action (C-KN-06).
    const goesOn = failure === undefined || failure.code === 'init_twice';
    if (brings.rest !== undefined && goesOn) {
      received.reservation.setUnchecked(brings.rest.byteLength);
      const answer = await this.#run({ ...received, body: brings.rest }, http, true);
      this.#send(exchange, answer, http, received);
    } else if (failure !== undefined) {
      sendFailure(exchange, failure);
    } else {
      sendText(exchange, 200, 'text/html; charset=utf-8', 'OK', warningHeaders(warning));
    }
  }

  /** Runs a request; one that brings an init is no activation yet. */
  async #run(received: Received, http: HttpContext, initIsDone: boolean): Promise<RouteAnswer> {
    let read: KnativeAnswer | undefined;
    const activation = await activate<undefined>(received, this.#context, async (traced, time) => {
      read = await this.#execute(traced, http, initIsDone, time);
      return read.embeddedInit === undefined ? read : undefined;
    });
    return { shape: read?.shape, embeddedInit: read?.embeddedInit, activation };
  }

  async #execute(
    request: Received,
    http: HttpContext,
    initIsDone: boolean,
    time: TimeLimit | undefined,
  ): Promise<KnativeAnswer> {
    const { body, trace } = request;
    const knative: KnativeContext = {
      ...http,
      namespace: process.env.__OW_NAMESPACE ?? '',
      dedicated: this.#dedicatedInit !== undefined,
      initIsDone,
      raw: this.#raw,
      actionName: this.#actionName,
    };
    const { action, pool } = this.#context;
    const answer = await pool.runKnative({
      kind: 'knative-run',
      body,
      ...action.current,
      context: knative,
      ...(time !== undefined && { time: time.remaining() }),
      ...(trace !== undefined && { trace }),
    });
    if (answer.superseded === undefined) return answer;
    await action.settled;
    return this.#execute({ ...request, ...answer.superseded }, http, initIsDone, time);
  }

  #send(exchange: Exchange, { activation, shape }: RouteAnswer, http: HttpContext, received: Received): void {
    const timing = timingHeaders(activation?.timing, this.#context.config);
    if (shape !== undefined && activation?.result !== undefined) {
      const delivery = deliveryOf(this.#context, received);
      sendShaped(exchange, { ...shape, body: activation.result }, timing, delivery);
      return;
    }
    const failure = activation?.failure ?? { code: 'internal' as const };
    const isOfTheRoute = failure.code.startsWith('knative_') && failure.code !== 'knative_bad_response';
    const headers = isOfTheRoute ? [] : corsHeaders([], http.accessControlRequestHeaders);
    sendFailure(exchange, failure, undefined, [...headers, ...timing]);
  }
}

/** Must be read while the request is being handed over. */
function httpContextOf(exchange: Exchange): HttpContext {
  const headers = new Map<string, string>();
  exchange.eachHeader((name, value) => {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  });
  const requested = headers.get('access-control-request-headers');
  return {
    method: exchange.method,
    headers: [...headers].map(([name, value]): Header => [titleCase(name), value]),
    query: exchange.query,
    ...(requested !== undefined && { accessControlRequestHeaders: requested }),
  };
}

/** Names as the peer shows them: each word with a capital. */
function titleCase(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

/** The body of the init that the environment asks for (C-KN-09); undefined on a stem cell. */
function dedicatedInit(environment: NodeJS.ProcessEnv): Buffer | undefined {
  const code = environment.__OW_ACTION_CODE ?? '';
  if (code === '') return undefined;
  const binary = environment.__OW_ACTION_BINARY?.toLowerCase() === 'true';
  const main = environment.__OW_ACTION_MAIN ?? 'main';
  return Buffer.from(
    JSON.stringify({ value: { name: environment.__OW_ACTION_NAME ?? '', main, code, binary } }),
  );
}
