/** The commands of `effect-quic` on Node; `bin.ts` starts it. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { hostname, networkInterfaces } from "node:os"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Terminal from "effect/Terminal"
import { CliHost } from "../../src/cli/CliHost.ts"
import * as Identity from "../../src/Identity.ts"
import { main } from "../../src/cli/main.ts"
import { logger, reported } from "../../src/cli/report.ts"
import { layerIoConfig } from "../ffi/index.ts"
import {
  layerSurroundings,
  NodeCertificateVerifier,
  NodeCryptoSuite,
  NodeIdentity,
  NodeInspector,
  RelayServer,
  ShardedEndpoint
} from "./index.ts"
import { serveMetrics } from "./serveMetrics.ts"
import { runMain, stopRequested } from "./signals.ts"

/** Finds the nearest package.json above this file; the depth differs between the built package and the source. */
const packageVersion = (): string => {
  for (const up of ["../../", "../../../"]) {
    try {
      return JSON.parse(readFileSync(new URL(`${up}package.json`, import.meta.url), "utf8")).version
    } catch {}
  }
  return "unknown"
}

/** Names and addresses by which this machine can be reached. */
const ownHosts = (): ReadonlyArray<string> => {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const usable = addresses.filter(({ scopeid }) => !scopeid).map(({ address }) => address)
  return [...new Set(["localhost", "127.0.0.1", "::1", hostname(), ...usable])]
}

interface Pem {
  readonly cert: string
  readonly key: string
}

/** Of a raw public key, `cert` is the key. */
const pemOf = (identity: Identity.Identity): Pem => ({
  cert: Identity.publicPem(identity),
  key: Redacted.value(Identity.privateKeyPem(identity))
})

/** In a thread of `serve --workers`: the certificate of all threads. */
const shardIdentity = ShardedEndpoint.data as Pem | undefined

const layerHost = Layer.succeed(CliHost, {
  version: packageVersion(),
  running: NodeInspector.running,
  stopRequested,
  self: [process.execPath, ...process.execArgv, process.argv[1]],
  sha256: () => {
    const hash = createHash("sha256")
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") }
  },
  monotonicMillis: () => performance.now(),
  developmentCertificate: (hosts = ownHosts()) =>
    shardIdentity === undefined
      ? NodeIdentity.developmentCertificate({ hosts })
      : Effect.provide(Identity.fromPem(shardIdentity), NodeCryptoSuite.layer),
  shards: {
    isShard: ShardedEndpoint.isShard,
    start: (count, identity) =>
      ShardedEndpoint.make(new URL(import.meta.url), { count, data: pemOf(identity) })
  },
  relay: RelayServer.make,
  serveMetrics,
  trust: {
    system: NodeCertificateVerifier.systemAuthorities,
    authorities: (pem) => NodeCertificateVerifier.authorities([pem]),
    certificates: (pem) => NodeCertificateVerifier.pinnedCertificates([pem]),
    keys: NodeCertificateVerifier.pinnedKeys
  }
})

/** By default Esc would end the input of keys, and so would an arrow key that a slow line delivers in pieces. */
const layerTerminal = Layer.effect(
  Terminal.Terminal,
  NodeTerminal.make(({ key }) => key.ctrl && key.name === "c")
)

/** Loads `node:ffi` without its warning that it is experimental, which is for those who program with it. */
const loadFfiQuietly = (): void => {
  const { emitWarning } = process
  process.emitWarning = () => {}
  process.getBuiltinModule("node:ffi")
  process.emitWarning = emitWarning
}

loadFfiQuietly()

/** Help needs nothing of what the environment may ask for, and has to be there when that cannot be had. */
const asksForHelp = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  const flags = end < 0 ? args : args.slice(0, end)
  return args.length === 0 || flags.some((flag) => /^(--help|-h|--version|--completions(=.*)?)$/.test(flag))
}

if (!ShardedEndpoint.isShard && asksForHelp(process.argv.slice(2)))
  for (const variable of ["QLOGDIR", "SSLKEYLOGFILE", "EFFECT_QUIC_IO"]) delete process.env[variable]

const layerLive = Layer.provideMerge(
  ShardedEndpoint.layer,
  Layer.mergeAll(layerHost, layerIoConfig, layerSurroundings, NodeServices.layer)
)

const program = main.pipe(
  Effect.provide(layerTerminal),
  // the trees of shards are shown by the main thread
  Effect.provide(ShardedEndpoint.isShard ? layerLive : Layer.merge(layerLive, NodeInspector.layer)),
  // standard output is for results, and layers log too
  Effect.provide(Logger.layer([logger])),
  // report what the environment asks for and cannot be in one line, like any other failure
  Effect.catchTag(["LogFileError", "IoUnavailable"], (error) => reported(Effect.fail(error)))
)

if (ShardedEndpoint.isShard) ShardedEndpoint.run(program)
else runMain()(program)
