import { wipe } from '../contract/wipe.js';
import type { Exchange } from '../http/exchange.js';
import type { BringsInit, Header, KnativeContext, RunAnswer } from '../pool/messages.js';
import { sendFailure, sendShaped, sendText } from '../server/answer.js';
import { deliveryOf } from '../server/delivery.js';
import { initialise } from '../server/init-route.js';
import { type Received, receive } from '../server/receive.js';
import { type Activated, activate } from '../server/run-route.js';
import { timingHeaders } from '../server/server-timing.js';
import type { Service } from '../server/service.js';
import type { TimeLimit } from '../server/time-limit.js';
import { type KnativeMethod, readMethods } from './methods.js';
import { crossOrigin } from './response.js';

/** What of a request only the main thread sees. */
type HttpContext = Pick<KnativeContext, 'method' | 'headers' | 'query' | 'accessControlRequestHeaders'>;

/** The one route of Knative mode (section 4): init, run, or both in one request, in front of sections 2 and 3. */
export class KnativeRoute {
  readonly methods: readonly KnativeMethod[];
  readonly #service: Service;
  /** The action that the environment brings (C-KN-09). */
  readonly #dedicatedInit: Buffer | undefined;
  #raw = false;
  #actionName = '';

  constructor(service: Service) {
    this.#service = service;
    const { methods, warnings } = readMethods(process.env.__OW_HTTP_METHODS);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    this.methods = methods;
    this.#dedicatedInit = dedicatedInit(process.env);
  }

  /** Answers a request at `/`. */
  async handle(exchange: Exchange): Promise<void> {
    const http = contextOf(exchange);
    const service = this.#service;
    const received = await receive(exchange, service);
    if (received === undefined) return;
    const failure = await this.#initialiseDedicated(received);
    if (failure !== undefined) {
      sendFailure(exchange, failure);
      return;
    }
    const answer = await this.#run(received, http, false);
    if (answer.bringsInit === undefined) this.#send(exchange, answer, http, received);
    else await this.#initialise(exchange, { received, http, brings: answer.bringsInit });
    wipe(received.body);
    if (answer.bringsInit?.rest !== undefined) wipe(answer.bringsInit.rest);
  }

  /** The first request of a server that has its action in its environment. Who comes second waits in silence. */
  async #initialiseDedicated(received: Received): Promise<RunAnswer['failure']> {
    const body = this.#dedicatedInit;
    const { action, pool } = this.#service;
    if (body === undefined || action.isInitialised) return undefined;
    this.#raw = process.env.__OW_ACTION_RAW?.toLowerCase() === 'true';
    this.#actionName = process.env.__OW_ACTION_NAME ?? '';
    const { failure } = await initialise(
      { ...received, body, hold: this.#service.budget.hold() },
      this.#service,
      // In memory of its own: it may be moved, and after a failure it is needed again.
      () => pool.init({ kind: 'init', body: new Uint8Array(body) }),
      () => Promise.resolve({ durationMs: 0, codeBytes: 0 }),
    );
    return failure;
  }

  async #initialise(
    exchange: Exchange,
    { received, http, brings }: { received: Received; http: HttpContext; brings: BringsInit },
  ): Promise<void> {
    const { pool } = this.#service;
    const { body } = brings;
    const { failure } = await initialise({ ...received, body }, this.#service, async () => {
      const answer = await pool.init({ kind: 'init', body, knative: true });
      if (answer.failure === undefined) {
        this.#raw = brings.raw;
        this.#actionName = brings.name;
      }
      return answer;
    });
    // An init that comes too late does not keep its run from the first action (C-KN-06).
    const goesOn = failure === undefined || failure.code === 'init_twice';
    if (brings.rest !== undefined && goesOn) {
      received.hold.count(brings.rest.byteLength);
      const answer = await this.#run({ ...received, body: brings.rest }, http, true);
      this.#send(exchange, answer, http, received);
    } else if (failure !== undefined) {
      sendFailure(exchange, failure);
    } else {
      sendText(exchange, 200, 'text/html; charset=utf-8', 'OK');
    }
  }

  #run(received: Received, http: HttpContext, initIsDone: boolean): Promise<Activated> {
    return activate(received, this.#service, (traced, time) => this.#execute(traced, http, initIsDone, time));
  }

  async #execute(
    request: Received,
    http: HttpContext,
    initIsDone: boolean,
    time: TimeLimit | undefined,
  ): Promise<RunAnswer> {
    const { body, trace } = request;
    const knative: KnativeContext = {
      ...http,
      namespace: process.env.__OW_NAMESPACE ?? '',
      dedicated: this.#dedicatedInit !== undefined,
      initIsDone,
      raw: this.#raw,
      actionName: this.#actionName,
    };
    const { action, pool } = this.#service;
    const answer = await pool.run({
      kind: 'run',
      body,
      ...action.current,
      knative,
      ...(time !== undefined && { time: time.left() }),
      ...(trace !== undefined && { trace }),
    });
    if (answer.superseded === undefined) return answer;
    await action.settled;
    return this.#execute({ ...request, body: answer.superseded }, http, initIsDone, time);
  }

  #send(exchange: Exchange, answer: Activated, http: HttpContext, received: Received): void {
    const timing = timingHeaders(answer.timing, this.#service.config);
    if (answer.shaped !== undefined) {
      sendShaped(exchange, answer.shaped, timing, deliveryOf(this.#service, received));
      return;
    }
    const failure = answer.failure ?? { code: 'internal' as const };
    const isOfTheRoute = failure.code.startsWith('knative_') && failure.code !== 'knative_bad_response';
    const headers = isOfTheRoute ? [] : crossOrigin([], http.accessControlRequestHeaders);
    sendFailure(exchange, failure, undefined, [...headers, ...timing]);
  }
}

/** Must be read while the request is being handed over. */
function contextOf(exchange: Exchange): HttpContext {
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
