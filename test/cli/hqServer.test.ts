import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expect, it } from "vitest"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { type QuicConnection, QuicEndpoint } from "../../src/index.ts"
import { scratch, startServe } from "./runCli.ts"
import { layerWithoutTrust } from "../io.ts"

/** The answer to a request, or the code of its reset. */
const ask = Effect.fnUntraced(function* (connection: QuicConnection, pieces: ReadonlyArray<string>) {
  const stream = yield* connection.openBidi
  for (const piece of pieces) {
    yield* stream.write(new TextEncoder().encode(piece))
    yield* Effect.sleep(1)
  }
  yield* stream.finish
  let answer = ""
  for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
    answer += new TextDecoder().decode(bytes)
  return answer
}, Effect.scoped)

const outcome = (connection: QuicConnection, ...pieces: ReadonlyArray<string>) =>
  Effect.match(ask(connection, pieces), {
    onSuccess: (answer): string | number => answer,
    onFailure: ({ reason }) => (reason._tag === "StreamReset" ? reason.code : reason.message)
  })

/** Runs `program` with a connection to a server of one directory, next to which lies a secret. */
const withServer = async <A>(program: (connection: QuicConnection) => Effect.Effect<A, unknown>) => {
  const directory = scratch()
  mkdirSync(join(directory, "www", "below"), { recursive: true })
  // shares a name prefix with the served directory
  mkdirSync(join(directory, "www-private"))
  writeFileSync(join(directory, "www", "open"), "for everybody")
  writeFileSync(join(directory, "www", "below", "open"), "below")
  writeFileSync(join(directory, "secret"), "not to be had")
  writeFileSync(join(directory, "www", ".env"), "not to be had")
  for (const name of [".git", ".well-known"]) {
    mkdirSync(join(directory, "www", name))
    writeFileSync(join(directory, "www", name, "config"), name)
  }
  symlinkSync(join(".git", "config"), join(directory, "www", "link"))
  writeFileSync(join(directory, "www-private", "secret"), "not to be had")
  const { fingerprint, port, server } = await startServe(join(directory, "www"))
  const connected = Effect.gen(function* () {
    const endpoint = yield* QuicEndpoint.make()
    const connection = yield* endpoint.connect({ host: "127.0.0.1", port, alpn: ["hq-interop"] })
    return yield* program(connection)
  })
  const trust = NodeCertificateVerifier.layerPinnedKeys([fingerprint])
  const result = await Effect.runPromise(
    connected.pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, trust)))
  )
  return { result, server }
}

it("never serves a path outside the directory", async () => {
  const paths = [
    "/../secret",
    "/below/../../secret",
    "/%2e%2e/secret",
    "/..%2fsecret",
    "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/..%5csecret",
    "/../www-private/secret",
    "/../www/open",
    "//etc/passwd",
    "/etc/passwd",
    "/below",
    "/",
    "/open/../../secret"
  ]
  const { result } = await withServer((connection) =>
    Effect.forEach(paths, (path) => outcome(connection, `GET ${path}\r\n`), { concurrency: 8 })
  )
  expect(Object.fromEntries(paths.map((path, i) => [path, result[i]]))).toEqual(
    Object.fromEntries(paths.map((path) => [path, 404]))
  )
})

it("serves no hidden file under any name, except in .well-known", async () => {
  const paths = ["/.env", "/%2eenv", "/.git/config", "/below/../.env", "/link", "/.well-known/config"]
  const { result } = await withServer((connection) =>
    Effect.forEach(paths, (path) => outcome(connection, `GET ${path}\r\n`))
  )
  expect(result).toEqual([404, 404, 404, 404, 404, ".well-known"])
})

it("rejects malformed requests and keeps serving", async () => {
  const { result, server } = await withServer((connection) =>
    Effect.gen(function* () {
      const refused = yield* Effect.forEach(
        [
          "",
          "\r\n",
          "GET\r\n",
          "POST /open\r\n",
          "GET open\r\n",
          "GET /%zz\r\n",
          "GET /open%00\r\n",
          "\x16\x03\x01\xff"
        ],
        (request) => outcome(connection, request)
      )
      const endless = yield* outcome(connection, `GET /${"a".repeat(9000)}`)
      // the limit also applies to a line that arrives together with its end
      const long = yield* outcome(connection, `GET /open?${"a".repeat(9000)}\r\n`)
      return { refused, endless, long, still: yield* outcome(connection, "GET /open\r\n") }
    })
  )
  expect(result).toEqual({ refused: Array(8).fill(400), endless: 400, long: 400, still: "for everybody" })
  // client input must not reach a terminal unescaped
  expect(server.stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u)
})

it("accepts a request split anywhere, with and without a line ending", async () => {
  const { result } = await withServer((connection) =>
    Effect.forEach(
      [[..."GET /below/open\r\n"], ["GET /open\n"], ["GET /open"], ["GET /open HTTP/1.1\r\nHost: x\r\n"]],
      (pieces) => outcome(connection, ...pieces)
    )
  )
  expect(result).toEqual(["below", "for everybody", "for everybody", "for everybody"])
})
