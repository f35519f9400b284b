/**
 * Accounts on a cluster of two runners, each in a process of its own, that know each other by their keys. One is killed,
 * and all accounts answer again, from the other.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Redacted, Schema } from "effect"
import { Entity, MessageStorage, RunnerAddress, ShardingConfig } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { layerWithoutTrust } from "../layers/node/index.ts"
import { Identity, PeerId, QuicEndpoint, QuicRpc, QuicRunner, Trust } from "../src/index.ts"
import * as Database from "./clusterDatabase.ts"

const alpn = ["database"]
const host = "127.0.0.1"

const Account = Entity.make("Account", [
  Rpc.make("Deposit", { payload: { amount: Schema.Number }, success: Schema.String })
])

const accounts = (runner: string) =>
  Account.toLayer(
    Effect.gen(function* () {
      const database = yield* Database.connect
      const { entityId } = yield* Entity.CurrentAddress
      return Account.of({
        Deposit: ({ payload: { amount } }) =>
          Effect.map(
            Effect.orDie(database.balance({ account: entityId, change: amount })),
            (balance) => `${entityId} has ${balance}, says ${runner}`
          )
      })
    })
  )

/** What a member of the cluster is told. */
interface Member {
  readonly identity: Identity.Identity
  readonly trusted: ReadonlyArray<PeerId.PeerId>
  readonly databasePort: number
}

/** A cluster of your own would have its SQL database here. */
const around = ({ databasePort, identity, trusted }: Member, runnerAddress?: RunnerAddress.RunnerAddress) =>
  Layer.mergeAll(MessageStorage.layerNoop, Database.runnerStorage).pipe(
    Layer.provideMerge(
      ShardingConfig.layer({
        runnerAddress: Option.fromUndefinedOr(runnerAddress),
        refreshAssignmentsInterval: "500 millis"
      })
    ),
    Layer.provideMerge(QuicRpc.layerConnect({ host, port: databasePort, alpn, identity })),
    Layer.provideMerge(Layer.merge(layerWithoutTrust, Trust.layerRawKeys(trusted)))
  )

const runner = (name: string, port: number, member: Member) =>
  accounts(name).pipe(
    Layer.provideMerge(QuicRunner.layer({ identity: member.identity, maxSilence: "1 second" })),
    Layer.provide(around(member, RunnerAddress.make(host, port)))
  )

// — a runner: `node cluster.ts NAME PORT`, with what it is told in the environment —————————————————————————————————

const { CLUSTER_KEY = "", CLUSTER_TRUSTED = "", CLUSTER_DATABASE = "" } = process.env

const runAlone = (name: string, port: number) =>
  Effect.gen(function* () {
    const identity = yield* Identity.rawKey(Buffer.from(CLUSTER_KEY, "base64"))
    const trusted = CLUSTER_TRUSTED.split(",").filter(PeerId.isPeerId)
    yield* Layer.build(runner(name, port, { identity, trusted, databasePort: Number(CLUSTER_DATABASE) }))
    process.once("disconnect", () => process.exit())
    process.send?.("ready")
    return yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(layerWithoutTrust))

// — the program: the database, two runners, and a client ——————————————————————————————————————————————————————————

const start = (name: string, port: number, { databasePort, identity, trusted }: Member) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = fork(process.argv[1], [name, String(port)], {
        env: {
          ...process.env,
          CLUSTER_KEY: Buffer.from(Redacted.value(identity.privateKey)).toString("base64"),
          CLUSTER_TRUSTED: trusted.join(),
          CLUSTER_DATABASE: String(databasePort)
        }
      })
      await once(child, "message")
      return child
    }),
    (child: ChildProcess) => Effect.sync(() => child.kill("SIGKILL"))
  )

const program = Effect.gen(function* () {
  const [own, ...others] = yield* Effect.all([0, 1, 2].map(() => Identity.generateRawKey))
  const trusted = [own, ...others].map(({ peerId }) => peerId)
  const database = yield* Database.serve.pipe(
    Layer.provideMerge(
      QuicRpc.layerListen({ host, server: { alpn, identity: own, clientCertificate: "require" } })
    ),
    Layer.provide(Trust.layerRawKeys(trusted)),
    Layer.build
  )
  const { localAddress } = yield* Effect.provideContext(QuicEndpoint, database)
  const member = (identity: Identity.Identity): Member => ({
    identity,
    trusted,
    databasePort: localAddress.port
  })
  const first = yield* start("Anna", 34_561, member(others[0]))
  yield* start("Bert", 34_562, member(others[1]))

  const client = yield* QuicRunner.layerClientOnly({ identity: own }).pipe(
    Layer.provide(around(member(own))),
    Layer.build
  )
  let rounds = 0
  const deposit = Effect.gen(function* () {
    rounds++
    const account = yield* Account.client
    const answers = yield* Effect.forEach(
      Array.from({ length: 20 }, (_, i) => `account ${i}`),
      (id) => account(id).Deposit({ amount: 1 }),
      { concurrency: "unbounded" }
    )
    return {
      with: (name: string) => answers.filter((answer) => answer.endsWith(name)).length,
      complete: answers.every((answer) => answer.includes(` has ${rounds},`))
    }
  }).pipe(Effect.provideContext(client))

  // once each has its shards
  yield* Effect.repeat(deposit, { until: (now) => now.with("Anna") > 0 && now.with("Bert") > 0 })
  yield* Console.log("Anna and Bert have 20 accounts")
  first.kill("SIGKILL")
  const after = yield* deposit
  yield* Console.log(
    `Anna is gone, Bert has ${after.with("Bert")}; every deposit is there: ${after.complete}`
  )
}).pipe(Effect.scoped, Effect.provide(layerWithoutTrust))

const [, , name, port] = process.argv
NodeRuntime.runMain(name === undefined ? program : runAlone(name, Number(port)))
