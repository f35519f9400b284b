/** A cluster in the simulator: two runners and a client, each on a host of its own, and the storage they share. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Entity from "effect/cluster/Entity"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import { RunnerStorage } from "effect/cluster/RunnerStorage"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Rpc from "effect/rpc/Rpc"
import type { CertificateVerifier } from "../../src/capability/CertificateVerifier.ts"
import type { CryptoSuite } from "../../src/capability/CryptoSuite.ts"
import type { Entropy } from "../../src/capability/Entropy.ts"
import { issueLeaf, issueRoot, leafExtensions } from "../identity/certificateFactory.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { type FiberTree, Identity, Inspector, QuicRunner, Trust } from "../../src/index.ts"
import { SharedStorage } from "./sharedStorage.ts"
import { LiveCryptoSuite } from "../io.ts"

const PORT = 34_431

const hostOf = (i: number): string => `10.0.0.${i + 1}`

/** How storage calls runner `i`. */
export const keyOf = (i: number): string => `${hostOf(i)}:${PORT}`

export const Desk = Entity.make("Desk", [
  Rpc.make("Where", { success: Schema.String }),
  Rpc.make("Store", { payload: { text: Schema.String }, success: Schema.Void }),
  Rpc.make("Wait", { success: Schema.Void })
])

/** When a `Wait` has begun, and when its caller has given up. */
interface Waiting {
  readonly begun: Deferred.Deferred<void>
  readonly ended: Deferred.Deferred<void>
}

const desks = (name: string, { begun, ended }: Waiting) =>
  Desk.toLayer(
    Desk.of({
      Where: () => Effect.succeed(name),
      Store: () => Effect.void,
      Wait: () =>
        Effect.onInterrupt(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never), () =>
          Deferred.succeed(ended, undefined)
        )
    }),
    { concurrency: "unbounded" }
  )

/** Who has answered for each of so many entities. */
export const whereAre = (count: number) =>
  Effect.flatMap(Desk.client, (client) =>
    Effect.forEach(
      Array.from({ length: count }, (_, i) => `desk ${i}`),
      (id) => client(id).Where(),
      { concurrency: 50 }
    )
  )

/** Those of two runners and a client, and of a stranger. */
interface Credentials {
  readonly identities: ReadonlyArray<Identity.Identity>
  readonly trust: Layer.Layer<CertificateVerifier>
}

/** A set of raw keys. */
const rawKeys = Effect.map(
  Effect.all([0, 1, 2, 3].map(() => Identity.generateRawKey)),
  (identities): Credentials => ({
    identities,
    trust: Trust.layerRawKeys(identities.slice(0, 3).map(({ peerId }) => peerId))
  })
)

/** A CA of the cluster; the stranger has a certificate of another. The clocks of simulated hosts begin in 2027. */
export const authority = Effect.gen(function* () {
  const validity = { notBefore: Date.UTC(2026, 11, 31), notAfter: Date.UTC(2027, 0, 2) }
  const [ca, otherCa] = [0, 1].map(() => issueRoot(validity))
  const identities = yield* Effect.all(
    [0, 1, 2, 3].map((i) => {
      const leaf = issueLeaf({ by: i < 3 ? ca : otherCa, extensions: leafExtensions(hostOf(i)), ...validity })
      const privateKey = leaf.key.export({ format: "der", type: "pkcs8" })
      return Identity.fromDer({ chain: [leaf.der], privateKey })
    })
  )
  return { identities, trust: Layer.orDie(NodeCertificateVerifier.layerAuthorities([ca.der])) }
})

export const simCluster = Effect.fnUntraced(function* (
  credentials: Effect.Effect<Credentials, Identity.IdentityError, CryptoSuite | Entropy> = rawKeys
) {
  const network = yield* SimNetwork
  const hosts = [0, 1, 2].map((i) => network.host(`host${i}`, hostOf(i)))
  const cable = (a: number, b: number) => network.connect(hosts[a], hosts[b], { delayMillis: 5 })
  const cables = { runners: cable(0, 1), first: cable(0, 2), second: cable(1, 2) }
  const place = (i: number) => Layer.merge(hosts[i].layer, LiveCryptoSuite.layer)
  const { identities, trust } = yield* Effect.provide(credentials, place(0))
  const storage = new SharedStorage(35_000)
  const lives = [true, true, true]
  const trees: Array<Effect.Effect<FiberTree.EndpointNode>> = []
  /** Names of the peers of a runner. */
  const peersOf = (i: number) => Effect.map(trees[i], ({ peers }) => peers.map(({ name }) => name))
  const waiting: Waiting = { begun: Deferred.makeUnsafe(), ended: Deferred.makeUnsafe() }

  const around = (i: number) =>
    Layer.mergeAll(
      place(i),
      trust,
      MessageStorage.layerNoop,
      Layer.sync(RunnerStorage, () => storage.seenBy(() => lives[i]))
    )
  /** Leaves in good order with its scope. */
  const runner = Effect.fnUntraced(function* (i: number) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const address = RunnerAddress.make(hostOf(i), PORT)
    yield* desks(`runner ${i}`, waiting).pipe(
      Layer.provideMerge(QuicRunner.layer({ identity: identities[i] })),
      Layer.provide(ShardingConfig.layer({ runnerAddress: Option.some(address) })),
      Layer.provide(around(i)),
      Layer.buildWithScope(scope),
      Effect.provideService(Inspector, {
        show: (tree) =>
          Effect.sync(() => {
            trees[i] = tree
          })
      })
    )
    return scope
  })
  const client = (identity = identities[2]) =>
    QuicRunner.layerClientOnly({ identity }).pipe(
      Layer.provide(ShardingConfig.layer()),
      Layer.provide(around(2)),
      Layer.build
    )
  /** The power of runner 1 fails: nobody hears of it, and its locks are dropped with its session at the database. */
  const killSecond = Effect.gen(function* () {
    // what is left of it can end with the test
    yield* Effect.addFinalizer(() => Effect.sync(() => (lives[1] = true)))
    lives[1] = false
    cables.runners.set({ lossRate: 1 })
    cables.second.set({ lossRate: 1 })
    storage.drop(keyOf(1))
  })
  const isHealthy = (i: number) => storage.runners.get(keyOf(i))?.healthy
  const untilHealth = (i: number, healthy: boolean): Effect.Effect<void> =>
    Effect.suspend(() =>
      isHealthy(i) === healthy
        ? Effect.void
        : Effect.andThen(
            Effect.sleep(10),
            Effect.suspend(() => untilHealth(i, healthy))
          )
    )
  return {
    cables,
    client,
    identities,
    isHealthy,
    killSecond,
    peersOf,
    place: around,
    runner,
    storage,
    untilHealth,
    waiting
  }
})
