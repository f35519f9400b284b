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
import type { ConnectOptions, ServerOptions } from "../QuicEndpoint.ts"
import type { TransportOptions } from "../QuicOptions.ts"
import { CliHost } from "./CliHost.ts"
import { layerNoTrust } from "./credentials.ts"
import { clientFor } from "./get.ts"
import { byServer, download } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import { serveDirectory } from "./hqServer.ts"
import { type HqTarget, parseTarget } from "./hqTarget.ts"
import { fail, reported } from "./report.ts"
import { servedDirectory } from "./ServedDirectory.ts"

/** How the runner learns that a test case is not for us. */
const unsupported = 127

interface TestCase {
  readonly options: Pick<ConnectOptions & ServerOptions, "cipherSuites">
  /** What the client speaks; servers speak all versions. */
  readonly versions?: NonNullable<TransportOptions["versions"]>
  /** A connection for each file instead of one for all. */
  readonly manyConnections?: boolean
  /** The client changes keys early on. */
  readonly updateKeys?: boolean
}

/** By what the runner calls them; several of its tests go by `transfer`. */
const testCases: Record<string, TestCase> = {
  handshake: { options: {} },
  transfer: { options: {} },
  longrtt: { options: {} },
  multiplexing: { options: {} },
  multiconnect: { options: {}, manyConnections: true },
  chacha20: { options: { cipherSuites: ["chacha20-poly1305"] } },
  keyupdate: { options: {}, updateKeys: true },
  ipv6: { options: {} },
  v2: { options: {}, versions: ["v1", "v2"] }
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
      server: { alpn: [hqAlpn], identity, transport, ...testCase.options }
    },
    directory,
    tell: (event) => Console.log(JSON.stringify(event))
  })
})

/** All of `targets`, which are on one server, over one connection. */
const fetchAll = Effect.fnUntraced(function* (
  testCase: TestCase,
  targets: ReadonlyArray<HqTarget>,
  directory: string
) {
  const [{ host, port }] = targets
  const endpoint = yield* clientFor(host)
  const connection = yield* endpoint.connect({
    host,
    port,
    alpn: [hqAlpn],
    transport: { ...transport, ...(testCase.versions && { versions: testCase.versions }) },
    ...testCase.options
  })
  if (testCase.updateKeys) yield* connection.updateKeys
  yield* Effect.forEach(
    targets,
    (target) =>
      Effect.tap(
        download(connection, target, directory, () => {}),
        ({ bytes, millis }) => Console.log(`${target.url}  ${bytes} bytes in ${millis.toFixed(0)} ms`)
      ),
    { concurrency: 256, discard: true }
  )
}, Effect.scoped)

const runClient = Effect.fnUntraced(function* (testCase: TestCase, requests: string, root: string) {
  const targets = yield* Effect.forEach(requests.split(/\s+/).filter(Boolean), parseTarget)
  const groups = testCase.manyConnections ? targets.map((target) => [target]) : byServer(targets)
  yield* Effect.forEach(groups, (group) => fetchAll(testCase, group, `${root}/downloads`), { discard: true })
})

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
    "Be an endpoint of the QUIC interop runner. ROLE, TESTCASE, REQUESTS and SSLKEYLOGFILE come from the environment, files from /certs and /www, and go to /downloads. Exit code 127 says that a test case is not supported."
  ),
  Command.withShortDescription("Be an endpoint of the QUIC interop runner")
)
