import {
  MESSAGE_ARGUMENTS,
  MESSAGE_DEDICATED,
  MESSAGE_EXITED,
  MESSAGE_INIT,
  MESSAGE_NO_ACTION,
  MESSAGE_NO_BINARY,
  MESSAGE_NO_CODE,
  MESSAGE_NOT_OBJECT,
  MESSAGE_RESULT,
  MESSAGE_START_LOGGED,
  MESSAGE_TWICE,
} from './texts.js';

/** Who has to change something: the action's author, the caller, or the operator of the runtime. */
type Fault = 'action' | 'caller' | 'runtime';

/** One way for a request to fail. */
export interface ErrorRow {
  /** The HTTP status of the answer. */
  readonly status: number;
  /** The `error` text; `%s` stands for the detail of the one case. */
  readonly text: string;
  readonly fault: Fault;
  /** Whether the answer is marked as the runtime's own although the action is at fault (C-LOG-01). */
  readonly refusal?: true;
  /** The label `outcome` of the metric that counts it; undefined where no activation or init is counted. */
  readonly outcome?: string;
  /** Whether the activation's log ends in sentinels (C-INIT-27, C-LOG-01). */
  readonly sentinels: boolean;
  /** What it means, for the page docs/reference/errors.md. */
  readonly meaning: string;
}

/**
 * Every error answer of the server. Answers, metric outcomes and docs/reference/errors.md come from here.
 *
 * The texts with a rule behind them are exact: clients compare them.
 */
export const ERRORS = {
  init_twice: {
    status: 403,
    text: MESSAGE_TWICE,
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'A second init; allowed only where PROXY_ALLOW_REINIT is 1 (C-INIT-20).',
  },
  init_bad_json: {
    status: 400,
    text: 'The init request is not valid JSON: %s.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'The body of /init is not JSON in UTF-8 (C-INIT-26).',
  },
  init_not_object: {
    status: 404,
    text: 'The init request and its value must be JSON objects.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'The body of /init or its `value` is something else than an object (C-INIT-24).',
  },
  init_bad_field: {
    status: 400,
    text: 'The init request is wrong: %s.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: '`code`, `binary` or `env` has the wrong type (C-INIT-16).',
  },
  init_bad_env: {
    status: 400,
    text: 'The init request is wrong: %s.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'A variable of `env` that no environment can hold (C-INIT-19).',
  },
  init_bad_base64: {
    status: 502,
    text: "The action's code is not valid base64: %s.",
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning: '`code` of a binary action is not base64 (C-INIT-13, C-INIT-15).',
  },
  init_bad_archive: {
    status: 502,
    text: "The action's archive can't be read: %s.",
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning: 'The code is not a zip, or a truncated or corrupt one (C-INIT-13).',
  },
  init_unsafe_archive: {
    status: 502,
    text: "The action's archive is refused: %s.",
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning:
      'An entry leads outside the action folder, is no file, folder or link, lies behind a link, or contradicts another (C-INIT-10, C-INIT-11).',
  },
  init_archive_too_large: {
    status: 502,
    text: "The action's archive is too large: %s.",
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning:
      'Unpacked it exceeds HYPERSKELETON_MAX_UNZIPPED_BYTES, HYPERSKELETON_MAX_UNZIP_RATIO or HYPERSKELETON_MAX_ENTRIES, or its directory the memory there is for it (C-INIT-12).',
  },
  init_no_exec: {
    status: 502,
    text: MESSAGE_INIT,
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning: 'After the init there is no executable file `exec` (C-INIT-02, C-INIT-07).',
  },
  init_exec_misplaced: {
    status: 502,
    text: 'The action has no exec at the top of its archive, but there is %s.',
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning:
      'An archive without `exec` at its top, which would leave the default action to answer for it; there is one further down, or a file of nearly that name (C-INIT-07).',
  },
  init_timeout: {
    status: 504,
    text: 'The init exceeded its time limit of %s.',
    fault: 'action',
    refusal: true,
    outcome: 'timeout',
    sentinels: true,
    meaning:
      'HYPERSKELETON_INIT_TIMEOUT_MS has passed; the init was ended, and everything is as it was before (C-INIT-21, C-INIT-23).',
  },
  init_shutdown_killed: {
    status: 500,
    text: 'The init was still under way when the grace period of the shutdown ended, and was ended.',
    fault: 'runtime',
    outcome: 'killed',
    sentinels: true,
    meaning: 'HYPERSKELETON_GRACE_MS after SIGTERM what is still under way is ended (C-SRV-11).',
  },
  init_io_failed: {
    status: 500,
    text: "The runtime could not write the action's files: %s.",
    fault: 'runtime',
    outcome: 'internal',
    sentinels: true,
    meaning:
      'The action folder is full, read-only or broken; the previous action goes on serving (C-INIT-23).',
  },
  loop_no_code: {
    status: 403,
    text: MESSAGE_NO_CODE,
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'ActionLoop: an init without code (C-AL-03).',
  },
  loop_bad_init: {
    status: 400,
    text: 'Error unmarshaling request: %s',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'ActionLoop: the body of /init is not JSON, or a field has the wrong type (C-AL-05).',
  },
  loop_bad_base64: {
    status: 400,
    text: 'cannot decode the request: %s',
    fault: 'caller',
    outcome: 'bad_code',
    sentinels: false,
    meaning: 'ActionLoop: `code` of a binary action is not base64 (C-AL-05).',
  },
  loop_not_compiled: {
    status: 502,
    text: '%s',
    fault: 'action',
    outcome: 'bad_code',
    sentinels: false,
    meaning: 'ActionLoop: the compiler of OW_COMPILER said this, or made no `exec` (C-AL-02).',
  },
  loop_start_failed: {
    status: 502,
    text: 'cannot start action: %s',
    fault: 'action',
    outcome: 'not_started',
    sentinels: false,
    meaning:
      'ActionLoop: at the init the process could not be started, did not live, did not acknowledge its start, or was made for another environment (C-AL-09 to C-AL-11).',
  },
  loop_init_logged: {
    status: 502,
    text: MESSAGE_INIT,
    fault: 'action',
    outcome: 'bad_code',
    sentinels: true,
    meaning: 'ActionLoop with OW_LOG_INIT_ERROR: unpacking or compiling failed, the log says why (C-AL-12).',
  },
  loop_start_logged: {
    status: 502,
    text: MESSAGE_START_LOGGED,
    fault: 'action',
    outcome: 'not_started',
    sentinels: true,
    meaning: 'ActionLoop with OW_LOG_INIT_ERROR: the start failed, the log says why (C-AL-12).',
  },
  loop_no_action: {
    status: 500,
    text: MESSAGE_NO_ACTION,
    fault: 'caller',
    outcome: 'refused',
    sentinels: true,
    meaning: 'ActionLoop: an activation before the first successful init (C-AL-17).',
  },
  loop_exited: {
    status: 400,
    text: MESSAGE_EXITED,
    fault: 'action',
    outcome: 'killed',
    sentinels: true,
    meaning:
      'ActionLoop: the process ended while it had this activation; another one takes its place (C-AL-17).',
  },
  loop_not_restarted: {
    status: 500,
    text: MESSAGE_EXITED,
    fault: 'action',
    outcome: 'not_started',
    sentinels: true,
    meaning:
      'ActionLoop: the process has ended, and no new one could be started for this activation (C-AL-17).',
  },
  run_bad_json: {
    status: 400,
    text: 'The run request is not valid JSON: %s.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: true,
    meaning: 'The body of /run is not JSON in UTF-8 (C-RUN-03).',
  },
  run_bad_context: {
    status: 400,
    text: 'The run request is wrong: %s.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: true,
    meaning: '`activation` is no object, or a context key makes an impossible variable (C-RUN-11).',
  },
  run_bad_arguments: {
    status: 404,
    text: MESSAGE_ARGUMENTS,
    fault: 'caller',
    outcome: 'refused',
    sentinels: true,
    meaning: '`value` is neither an object nor an array (C-RUN-02).',
  },
  run_no_exec: {
    status: 502,
    text: MESSAGE_NO_BINARY,
    fault: 'action',
    outcome: 'not_started',
    sentinels: true,
    meaning: '`exec` is missing, a folder, or not executable; the log says which (C-RUN-15).',
  },
  run_start_failed: {
    status: 502,
    text: MESSAGE_RESULT,
    fault: 'action',
    outcome: 'not_started',
    sentinels: true,
    meaning: 'The system refuses to execute `exec`; the log says why (C-RUN-26).',
  },
  run_no_resources: {
    status: 500,
    text: 'The runtime could not start a process: %s.',
    fault: 'runtime',
    outcome: 'internal',
    sentinels: true,
    meaning: 'The system is out of processes, descriptors or memory.',
  },
  run_invalid_result: {
    status: 502,
    text: MESSAGE_RESULT,
    fault: 'action',
    outcome: 'invalid_result',
    sentinels: true,
    meaning: 'The last line of stdout is no JSON object or array (C-RUN-18).',
  },
  run_killed: {
    status: 502,
    text: MESSAGE_RESULT,
    fault: 'action',
    outcome: 'killed',
    sentinels: true,
    meaning:
      'SIGKILL ended the process, and there was no result (C-RUN-18, C-RUN-19). The kernel does that where the memory of the container is used up.',
  },
  run_result_too_large: {
    status: 502,
    text: MESSAGE_RESULT,
    fault: 'action',
    outcome: 'invalid_result',
    sentinels: true,
    meaning: 'The last line is longer than HYPERSKELETON_MAX_RESULT_BYTES; it went to the log (C-LOG-04).',
  },
  run_result_no_memory: {
    status: 500,
    text: 'The runtime had no memory left for the result of the activation: %s bytes may be held at the same time.',
    fault: 'runtime',
    outcome: 'internal',
    sentinels: true,
    meaning:
      'Bodies and results of other requests leave no room for the result in HYPERSKELETON_MAX_BUFFERED_BYTES; it went to the log.',
  },
  run_timeout: {
    status: 504,
    text: 'The activation exceeded its time limit of %s.',
    fault: 'action',
    refusal: true,
    outcome: 'timeout',
    sentinels: true,
    meaning:
      'HYPERSKELETON_ACTIVATION_TIMEOUT_MS, or with HYPERSKELETON_HONOR_DEADLINE the deadline of the platform, has passed; what ran was ended (C-LOG-01, C-PLAT-08).',
  },
  run_shutdown_killed: {
    status: 500,
    text: 'The activation was still running when the grace period of the shutdown ended, and was killed.',
    fault: 'runtime',
    outcome: 'killed',
    sentinels: true,
    meaning: 'HYPERSKELETON_GRACE_MS after SIGTERM what still runs is killed (C-SRV-11).',
  },
  worker_lost: {
    status: 500,
    text: 'The worker thread that ran the activation died.',
    fault: 'runtime',
    outcome: 'internal',
    sentinels: true,
    meaning: 'A worker thread ended; its processes were killed and it was replaced.',
  },
  internal: {
    status: 500,
    text: 'The runtime failed: %s.',
    fault: 'runtime',
    outcome: 'internal',
    sentinels: true,
    meaning: 'A fault of the runtime that has no row of its own.',
  },
  knative_not_object: {
    status: 404,
    text: MESSAGE_NOT_OBJECT,
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'Knative mode: the body is JSON and no object (C-KN-03).',
  },
  knative_dedicated: {
    status: 404,
    text: MESSAGE_DEDICATED,
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'Knative mode: the environment brings the action, and the request an init (C-KN-09).',
  },
  knative_bad_init: {
    status: 404,
    text: 'Unable to process Initialization data: %s',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'Knative mode: a field of `init` has the wrong type (C-KN-11).',
  },
  knative_bad_response: {
    status: 502,
    text: "The action's result can't be made an HTTP answer: %s.",
    fault: 'action',
    outcome: 'invalid_result',
    sentinels: true,
    meaning:
      'Knative mode: `statusCode`, `headers` or `body` of the result are impossible (C-KN-17, C-KN-18).',
  },
  not_found: {
    status: 404,
    text: 'There is nothing at this path. POST /init and POST /run are what an action runtime serves.',
    fault: 'caller',
    sentinels: false,
    meaning: 'An unknown path (C-SRV-04, C-SRV-05).',
  },
  method_not_allowed: {
    status: 405,
    text: 'This path does not take this method; the Allow header names those it takes.',
    fault: 'caller',
    sentinels: false,
    meaning: 'A method other than the route has (C-SRV-04, C-SRV-05).',
  },
  malformed_request: {
    status: 400,
    text: 'The request is not valid HTTP: %s.',
    fault: 'caller',
    sentinels: false,
    meaning:
      'The head or the framing of the body is broken, so that nobody can tell where the request ends; the connection is closed (C-SRV-06).',
  },
  head_too_large: {
    status: 431,
    text: 'The head of the request is larger than %s bytes.',
    fault: 'caller',
    sentinels: false,
    meaning:
      'Request line and header together are too large; the connection is closed (docs/reference/http.md).',
  },
  http_version: {
    status: 505,
    text: 'The server speaks HTTP/1.1 and HTTP/1.0.',
    fault: 'caller',
    sentinels: false,
    meaning: 'The request line names another version; the connection is closed (docs/reference/http.md).',
  },
  request_timeout: {
    status: 408,
    text: 'The request did not come whole in time.',
    fault: 'caller',
    sentinels: false,
    meaning:
      'The head did not come within 20 seconds, or the body brought nothing for HYPERSKELETON_STALL_TIMEOUT_MS; the connection is closed (C-SRV-12).',
  },
  foreign_origin: {
    status: 403,
    text: 'This request comes from a web page of another origin; HYPERSKELETON_ALLOWED_ORIGINS can allow it.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning:
      "/init or /run with an Origin that is not the server's own, or with a Sec-Fetch-Site of another site, which is how browsers mark what a web page sends (C-SRV-04, Fetch Metadata).",
  },
  body_too_large: {
    status: 413,
    text: 'The request body is larger than %s bytes.',
    fault: 'caller',
    outcome: 'refused',
    sentinels: false,
    meaning: 'The body exceeds HYPERSKELETON_MAX_BODY_BYTES or HYPERSKELETON_MAX_BUFFERED_BYTES (C-SRV-09).',
  },
  buffers_full: {
    status: 429,
    text: 'The runtime holds too many bytes of other requests and results; try again later.',
    fault: 'runtime',
    outcome: 'refused',
    sentinels: false,
    meaning:
      'Bodies and results of other requests leave no room for this body in HYPERSKELETON_MAX_BUFFERED_BYTES (C-SRV-08).',
  },
  overloaded: {
    status: 429,
    text: 'Too many activations are in flight; try again later.',
    fault: 'runtime',
    outcome: 'refused',
    sentinels: false,
    meaning:
      'HYPERSKELETON_MAX_IN_FLIGHT activations run and HYPERSKELETON_MAX_QUEUED wait, or more comes than the CPUs can do (C-SRV-08).',
  },
  draining: {
    status: 503,
    text: 'The runtime is shutting down.',
    fault: 'runtime',
    outcome: 'refused',
    sentinels: false,
    meaning: 'The request came after SIGTERM (C-SRV-08, C-SRV-11).',
  },
} as const satisfies Record<string, ErrorRow>;

/** The name of a row; it is what X-Hyperskeleton-Error says. */
export type ErrorCode = keyof typeof ERRORS;

/** A failure as data: it crosses threads as it is. */
export interface Failure {
  readonly code: ErrorCode;
  /** What stands for `%s` in the row's text. */
  readonly detail?: string;
}

/** The row of a code, by its common type. */
export function errorRowOf(code: ErrorCode): ErrorRow {
  return ERRORS[code];
}

/** The `error` text of a failure. */
export function textOfFailure(failure: Failure): string {
  return errorRowOf(failure.code).text.replace('%s', () => failure.detail ?? 'no reason is known');
}
