/**
 * `effect-quic interop`: an endpoint of the QUIC interop runner, which passes its requests in environment variables and
 * its files in well-known directories. https://github.com/quic-interop/quic-interop-runner
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { Command, Flag } from "effect/cli"
import * as Identity from "../Identity.ts"
import { CertificateVerifier } from "../capability/CertificateVerifier.ts"
import type { ConnectionFacts } from "../QuicConnection.ts"
import type { ConnectOptions, ServerOptions } from "../EndpointOptions.ts"
import { QuicEndpoint, type QuicEndpointShape } from "../QuicEndpoint.ts"
import { CliHost } from "./CliHost.ts"
import { layerNoTrust } from "./credentials.ts"
import { toFile } from "./destination.ts"
import { byServer, download } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import { serveDirectory } from "./hqServer.ts"
import { type HqTarget, parseTarget } from "./hqTarget.ts"
import { fail, reported } from "./report.ts"
import { printableJson } from "../internal/printable.ts"
import { servedDirectory } from "./ServedDirectory.ts"

/** Exit code that tells the runner that a test case is not supported. */
const unsupported = 127

interface TestCase {
  readonly server?: Partial<ServerOptions>
  readonly client?: Partial<ConnectOptions>
  /** Distributes the files over consecutive connections; default: all over one. */
  readonly spread?: (targets: ReadonlyArray<HqTarget>) => ReadonlyArray<ReadonlyArray<HqTarget>>
  /** The client initiates a key update early. */
  readonly updateKeys?: boolean
  /** Checks the client's last connection. */
  readonly expect?: (facts: ConnectionFacts) => boolean
}

const oneEach: TestCase["spread"] = (targets) => targets.map((target) => [target])
/** One file first, the others over a resumed connection. */
const oneThenAll: TestCase["spread"] = (targets) => [targets.slice(0, 1), targets.slice(1)]

/** By the runner's names; several of its tests use `transfer`. */
const testCases: Record<string, TestCase> = {
  handshake: {},
  transfer: {},
  longrtt: {},
  ipv6: {},
  multiplexing: {},
  multiconnect: { spread: oneEach },
  retry: { server: { retry: "always" } },
  resumption: { spread: oneThenAll, expect: ({ resumed }) => resumed },
  zerortt: {
    server: { earlyData: true },
    client: { earlyData: true },
    spread: oneThenAll,
    expect: ({ earlyData }) => earlyData === "accepted"
  },
  chacha20: {
    server: { cipherSuites: ["chacha20-poly1305"] },
    client: { cipherSuites: ["chacha20-poly1305"] }
  },
  keyupdate: { updateKeys: true },
  v2: {
    // the runner expects a first flight in version 1 that switches to version 2
    client: { transport: { versions: ["v2", "v1"], originalVersion: "v1" } },
    expect: ({ version }) => version === "v2"
  }
}

/** Some tests drop a third of all packets. */
const transport = { handshakeTimeout: "1 minute", maxBidirectionalStreams: 1000 } as const

const runServer = Effect.fnUntraced(function* (testCase: TestCase, root: string, port: number) {
  const fs = yield* FileSystem.FileSystem
  const identity = yield* Identity.fromPem({
    cert: yield* fs.readFileString(`${root}/certs/cert.pem`),
    key: yield* fs.readFileString(`${root}/certs/priv.key`)
  })
  const directory = yield* servedDirectory(`${root}/www`)
  return yield* serveDirectory({
    endpoint: {
      host: "::",
      port,
      server: { alpn: [hqAlpn], identity, transport, ...testCase.server }
    },
    directory,
    drainSeconds: 0,
    report: (event) => Console.log(printableJson(event))
  })
})

/** Fetches `targets`, all of one server, over one connection. */
const fetchAll = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  { client, updateKeys }: TestCase,
  targets: ReadonlyArray<HqTarget>,
  directory: string
) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const [{ host, port }] = targets
  const connection = yield* endpoint.connect({
    ...client,
    host,
    port,
    alpn: [hqAlpn],
    transport: { ...transport, ...client?.transport }
  })
  if (updateKeys) yield* connection.updateKeys
  yield* Effect.forEach(
    targets,
    (target) =>
      Effect.tap(
        download(connection, target, toFile(fs, paths.join(directory, target.fileName), true), () => {}),
        ({ bytes, millis }) => Console.log(`${target.url}  ${bytes} bytes in ${millis.toFixed(0)} ms`)
      ),
    { concurrency: 256, discard: true }
  )
  return yield* connection.handshakeComplete
}, Effect.scoped)

const runClient = Effect.fnUntraced(function* (testCase: TestCase, requests: string, root: string) {
  const targets = yield* Effect.forEach(requests.split(/\s+/).filter(Boolean), parseTarget)
  if (targets.length === 0) return yield* fail("REQUESTS: contains no URL")
  const { expect = () => true, spread = byServer } = testCase
  const endpoint = yield* QuicEndpoint.make()
  const groups = spread(targets).filter((group) => group.length > 0)
  const all = yield* Effect.forEach(groups, (group) =>
    fetchAll(endpoint, testCase, group, `${root}/downloads`)
  )
  const { cipherSuite, earlyData, resumed, version } = all[all.length - 1]
  if (!expect(all[all.length - 1]))
    return yield* fail(
      `the connection does not match the test case: version ${version}, ${cipherSuite}, ${resumed ? "resumed" : "not resumed"}, early data ${earlyData}`
    )
}, Effect.scoped)

/** Trusts the CA that issued the certificates of this run. */
const layerRunnerTrust = (root: string) =>
  Layer.effect(
    CertificateVerifier,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { trust } = yield* CliHost
      return yield* Effect.flatMap(fs.readFileString(`${root}/certs/ca.pem`), trust.authorities)
    })
  )

export const interop = Command.make(
  "interop",
  {
    root: Flag.Directory("root").pipe(
      Flag.withDescription("Parent directory of certs, www and downloads (default: /)"),
      Flag.withDefault("")
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("UDP port of the server (default: 443)"),
      Flag.withDefault(443)
    )
  },
  ({ port, root }) =>
    Effect.gen(function* () {
      const role = yield* Config.withDefault(Config.String("ROLE"), "")
      if (role !== "client" && role !== "server") return yield* fail("ROLE: expected client or server")
      const name = yield* Config.withDefault(Config.String("TESTCASE"), "")
      const testCase = Object.hasOwn(testCases, name) ? testCases[name] : undefined
      if (testCase === undefined)
        return yield* fail(`TESTCASE: ${name || "none"} is not supported`, unsupported)
      if (role === "server")
        return yield* Effect.provide(Effect.scoped(runServer(testCase, root, port)), layerNoTrust)
      const requests = yield* Config.withDefault(Config.String("REQUESTS"), "")
      yield* Effect.provide(runClient(testCase, requests, root), layerRunnerTrust(root))
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Run as an endpoint of the QUIC interop runner. Reads ROLE, TESTCASE, REQUESTS, SSLKEYLOGFILE and QLOGDIR from the environment and files from /certs and /www; writes to /downloads. Exits with 127 if a test case is not supported."
  ),
  Command.withShortDescription("Run as an endpoint of the QUIC interop runner")
)
