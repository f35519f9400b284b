/** What the runners of `cluster.ts` share, in the memory of one process: who runs which shard, and balances. */
import { Effect, Layer, Schema } from "effect"
import { ClusterError, RunnerStorage } from "effect/cluster"
import { Rpc, RpcClient, RpcGroup, RpcServer } from "effect/rpc"

const { Boolean: flag, Number: number, String: text } = Schema
const texts = Schema.Array(text)

const Database = RpcGroup.make(
  Rpc.make("runners", { success: Schema.Array(Schema.Tuple([text, flag])) }),
  Rpc.make("register", { payload: { address: text, runner: text, healthy: flag }, success: number }),
  Rpc.make("unregister", { payload: { address: text } }),
  Rpc.make("setHealth", { payload: { address: text, healthy: flag } }),
  Rpc.make("lock", { payload: { address: text, shards: texts, take: flag }, success: texts }),
  Rpc.make("release", { payload: { address: text, shards: Schema.optional(texts) } }),
  Rpc.make("balance", { payload: { account: text, change: number }, success: number })
)

const tables = Effect.sync(() => {
  const runners = new Map<string, readonly [runner: string, healthy: boolean]>()
  const locks = new Map<string, string>()
  const balances = new Map<string, number>()
  let machines = 0
  return Database.of({
    runners: () => Effect.succeed([...runners.values()]),
    register: ({ address, healthy, runner }) =>
      Effect.sync(() => {
        runners.set(address, [runner, healthy])
        return machines++
      }),
    unregister: ({ address }) => Effect.sync(() => void runners.delete(address)),
    setHealth: ({ address, healthy }) =>
      Effect.sync(() => {
        const known = runners.get(address)
        if (known !== undefined) runners.set(address, [known[0], healthy])
      }),
    lock: ({ address, shards, take }) =>
      Effect.sync(() =>
        shards.filter((shard) => {
          const holder = locks.get(shard)
          // those of a runner that is not healthy are void
          const isFree = holder === undefined || runners.get(holder)?.[1] !== true
          if (holder !== address && !(take && isFree)) return false
          locks.set(shard, address)
          return true
        })
      ),
    release: ({ address, shards = [...locks.keys()] }) =>
      Effect.sync(() => {
        for (const shard of shards) if (locks.get(shard) === address) locks.delete(shard)
      }),
    balance: ({ account, change }) =>
      Effect.sync(() => {
        const next = (balances.get(account) ?? 0) + change
        balances.set(account, next)
        return next
      })
  })
})

export const serve = RpcServer.layer(Database).pipe(Layer.provide(Database.toLayer(tables)))

export const connect = RpcClient.make(Database)

/** A cluster in earnest takes Effect's `SqlRunnerStorage`. */
export const runnerStorage = Layer.effect(
  RunnerStorage.RunnerStorage,
  Effect.map(connect, (database) => {
    const stored = <A, E>(call: Effect.Effect<A, E>) =>
      Effect.mapError(call, (cause) => new ClusterError.PersistenceError({ cause }))
    return RunnerStorage.makeEncoded({
      getRunners: stored(Effect.map(database.runners(), (all) => [...all])),
      register: (address, runner, healthy) => stored(database.register({ address, runner, healthy })),
      unregister: (address) => stored(database.unregister({ address })),
      setRunnerHealth: (address, healthy) => stored(database.setHealth({ address, healthy })),
      acquire: (address, shards) =>
        stored(Effect.map(database.lock({ address, shards, take: true }), (all) => [...all])),
      refresh: (address, shards) => stored(database.lock({ address, shards, take: false })),
      release: (address, shard) => stored(database.release({ address, shards: [shard] })),
      releaseAll: (address) => stored(database.release({ address }))
    })
  })
)
