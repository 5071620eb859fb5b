/** So many answers elsewhere take far longer than one that is due at once. */
const ROUNDS = 100;

/**
 * Resolves to undefined once the server has answered many requests on other connections: what it was about
 * to say on the one that is watched, it would have said by then.
 */
export async function silence(port: number): Promise<undefined> {
  for (let round = 0; round < ROUNDS; round++) {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    await answer.arrayBuffer();
  }
  return undefined;
}
