// Preloaded into the server by NODE_OPTIONS: whoever connects to the socket of HYPERSKELETON_CHAOS_SOCKET makes one
// worker thread die of an exception of its own, as it would of a fault in it. A thread that is terminated from
// outside may be in the middle of a native call, which is no fault that can happen by itself.
import net = require('node:net');
import threads = require('node:worker_threads');

/** A call to all worker threads, what each answers, and which one is to die. */
interface Message {
  readonly kind: 'who' | 'here' | 'die';
  readonly thread?: number;
}

const CHANNEL = 'hyperskeleton-chaos';
const ANSWERS_WITHIN_MS = 50;
const path = process.env.HYPERSKELETON_CHAOS_SOCKET;

function join(receive: (message: Message) => void): (message: Message) => void {
  const channel = new threads.BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = (event: unknown): void => receive((event as { data: Message }).data);
  return (message) => channel.postMessage(message);
}

if (threads.isMainThread && path !== undefined) {
  const here: number[] = [];
  const post = join(({ kind, thread }) => {
    if (kind === 'here' && thread !== undefined) here.push(thread);
  });
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (choice) => {
      here.length = 0;
      post({ kind: 'who' });
      setTimeout(() => {
        const thread = here[Number(choice.toString()) % here.length];
        if (thread !== undefined) post({ kind: 'die', thread });
        socket.end();
      }, ANSWERS_WITHIN_MS);
    });
  });
  server.listen(path).unref();
} else if (!threads.isMainThread) {
  const post = join(({ kind, thread }) => {
    if (kind === 'who') post({ kind: 'here', thread: threads.threadId });
    if (kind === 'die' && thread === threads.threadId) throw new Error('chaos: this worker thread dies');
  });
}
