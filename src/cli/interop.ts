/**
 * `effect-quic interop`: an endpoint of the QUIC interop runner, which says what it wants in environment variables and
 * leaves files at places agreed on. https://github.com/quic-interop/quic-interop-runner
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Command, Flag } from "effect/cli"
import * as Identity from "../Identity.ts"
import { CertificateVerifier } from "../capability/CertificateVerifier.ts"
import type { ConnectionFacts } from "../QuicConnection.ts"
import type { ConnectOptions, ServerOptions } from "../EndpointOptions.ts"
import { QuicEndpoint, type QuicEndpointShape } from "../QuicEndpoint.ts"
import { Version } from "../wire/PacketType.ts"
import { CliHost } from "./CliHost.ts"
import { layerNoTrust } from "./credentials.ts"
import { byServer, download } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import { serveDirectory } from "./hqServer.ts"
import { type HqTarget, parseTarget } from "./hqTarget.ts"
import { fail, reported } from "./report.ts"
import { servedDirectory } from "./ServedDirectory.ts"

/** How the runner learns that a test case is not for us. */
const unsupported = 127

interface TestCase {
  readonly server?: Partial<ServerOptions>
  readonly client?: Partial<ConnectOptions>
  /** How the files are spread over connections, which follow each other; all over one when left out. */
  readonly spread?: (targets: ReadonlyArray<HqTarget>) => ReadonlyArray<ReadonlyArray<HqTarget>>
  /** The client changes keys early on. */
  readonly updateKeys?: boolean
  /** What must be true of the client's last connection. */
  readonly expect?: (facts: ConnectionFacts) => boolean
}

const oneEach: TestCase["spread"] = (targets) => targets.map((target) => [target])
/** One file first, and what there is to resume then. */
const oneThenAll: TestCase["spread"] = (targets) => [targets.slice(0, 1), targets.slice(1)]

/** By what the runner calls them; several of its tests go by `transfer`. */
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
    // the runner wants a first flight of version 1 that ends up in version 2
    client: { transport: { versions: ["v2", "v1"], originalVersion: "v1" } },
    expect: ({ version }) => version === Version.v2
  }
}

/** Networks that lose a third of all packets are part of the tests. */
const transport = { handshakeTimeoutMillis: 60_000, maxBidirectionalStreams: 1000 }

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
    tell: (event) => Console.log(JSON.stringify(event))
  })
})

/** All of `targets`, which are on one server, over one connection. */
const fetchAll = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  { client, updateKeys }: TestCase,
  targets: ReadonlyArray<HqTarget>,
  directory: string
) {
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
        download(connection, target, directory, () => {}),
        ({ bytes, millis }) => Console.log(`${target.url}  ${bytes} bytes in ${millis.toFixed(0)} ms`)
      ),
    { concurrency: 256, discard: true }
  )
  return yield* connection.handshakeComplete
}, Effect.scoped)

const runClient = Effect.fnUntraced(function* (testCase: TestCase, requests: string, root: string) {
  const targets = yield* Effect.forEach(requests.split(/\s+/).filter(Boolean), parseTarget)
  if (targets.length === 0) return yield* fail("REQUESTS: no URL in it")
  const { expect = () => true, spread = byServer } = testCase
  const endpoint = yield* QuicEndpoint.make()
  const groups = spread(targets).filter((group) => group.length > 0)
  const all = yield* Effect.forEach(groups, (group) =>
    fetchAll(endpoint, testCase, group, `${root}/downloads`)
  )
  const { cipherSuite, earlyData, resumed, version } = all[all.length - 1]
  if (!expect(all[all.length - 1]))
    return yield* fail(
      `not what was asked for: version 0x${version.toString(16)}, ${cipherSuite}, ${resumed ? "resumed" : "not resumed"}, early data ${earlyData}`
    )
}, Effect.scoped)

/** The authority that issued the certificates of this run. */
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
      Flag.withDescription("Where certs, www and downloads are, / by default"),
      Flag.withDefault("")
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("UDP port of the server, 443 by default"),
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
    "Be an endpoint of the QUIC interop runner. ROLE, TESTCASE, REQUESTS, SSLKEYLOGFILE and QLOGDIR come from the environment, files from /certs and /www, and go to /downloads. Exit code 127 says that a test case is not supported."
  ),
  Command.withShortDescription("Be an endpoint of the QUIC interop runner")
)
