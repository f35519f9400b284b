/**
 * Plain UDP from inside a namespace: `answer ADDRESS ADDRESS` serves the tests, `classify OWN ADDRESS ADDRESS` runs them and
 * prints what stands between.
 */
import { once } from "node:events"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { LiveUdpPort } from "../../io.ts"
import { answering, classify } from "../../nat/classify.ts"

const [task, ...args] = process.argv.slice(2)
const port = 3478

const answer = Effect.gen(function* () {
  yield* answering([args[0], args[1]], port)
  process.stdout.write("ready\n")
  yield* Effect.promise(() => once(process.stdin.resume(), "end"))
})

const ask = Effect.gen(function* () {
  const [own, ...servers] = args
  const endpoints = servers.flatMap((host) =>
    [port, port + 1].map((at) => ({ host, port: at, family: 4 }) as const)
  )
  process.stdout.write(`${JSON.stringify((yield* classify([own], endpoints)) ?? null)}\n`)
})

const program = task === "answer" ? answer : ask
program.pipe(Effect.scoped, Effect.provide(LiveUdpPort.layer), NodeRuntime.runMain())
