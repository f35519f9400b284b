/** SIGINT and SIGTERM: the first may ask a program to stop in good order, the next interrupts it. */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

const waiting = new Set<() => void>()

/**
 * Waits until this process is asked to stop. Programs that wait for it are asked first, and interrupted by the next
 * signal; others are interrupted at once.
 */
export const stopRequested: Effect.Effect<void> = Effect.callback((resume) => {
  const stop = (): void => resume(Effect.void)
  waiting.add(stop)
  return Effect.sync(() => void waiting.delete(stop))
})

/** As `NodeRuntime.runMain`, with `stopRequested`. */
export const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let isStopping = false
  const onSignal = (): void => {
    isStopping = true
    if (waiting.size === 0) return fiber.interruptUnsafe(fiber.id)
    const stops = [...waiting]
    waiting.clear()
    for (const stop of stops) stop()
  }
  fiber.addObserver((exit) => {
    process.removeListener("SIGINT", onSignal)
    process.removeListener("SIGTERM", onSignal)
    teardown(exit, (code) => {
      if (isStopping || code !== 0) process.exit(code)
    })
  })
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
})
