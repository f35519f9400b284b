/** What the parent of a benchmark's processes needs. */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"

/** The child's next message; fails with its `error`, or if it exits first. */
export const heard = async <A extends object>(child: ChildProcess): Promise<A> => {
  const over = new AbortController()
  const signal = over.signal
  try {
    const [answer] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => Promise.reject(new Error("a side of the benchmark died")))
    ])
    if ("error" in answer) throw new Error(answer.error)
    return answer as A
  } finally {
    over.abort()
  }
}
