/** A `RunnerStorage` that several runners share, with locks that expire: what a database is to a cluster. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as RunnerStorage from "effect/cluster/RunnerStorage"

interface Lock {
  readonly holder: string
  readonly untilMillis: number
}

export class SharedStorage {
  readonly runners = new Map<string, { readonly runner: string; readonly healthy: boolean }>()
  readonly locks = new Map<string, Lock>()
  private readonly lockMillis: number
  private machines = 0

  constructor(lockMillis: number) {
    this.lockMillis = lockMillis
  }

  /** The operations, as strings. */
  readonly encoded: RunnerStorage.Encoded = {
    getRunners: Effect.sync(() =>
      [...this.runners.values()].map(({ healthy, runner }) => [runner, healthy] as const)
    ),
    register: (address, runner, healthy) =>
      Effect.sync(() => {
        this.runners.set(address, { runner, healthy })
        return this.machines++
      }),
    unregister: (address) => Effect.sync(() => void this.runners.delete(address)),
    setRunnerHealth: (address, healthy) =>
      Effect.sync(() => {
        const known = this.runners.get(address)
        if (known !== undefined) this.runners.set(address, { ...known, healthy })
      }),
    acquire: (holder, shards) => this.lock(holder, shards, true),
    refresh: (holder, shards) => this.lock(holder, shards, false),
    release: (holder, shard) =>
      Effect.sync(() => {
        if (this.locks.get(shard)?.holder === holder) this.locks.delete(shard)
      }),
    releaseAll: (holder) => Effect.sync(() => this.drop(holder))
  }

  /** Gives up the locks of a runner, as a database does whose client is gone. */
  drop(holder: string): void {
    for (const [shard, lock] of this.locks) if (lock.holder === holder) this.locks.delete(shard)
  }

  /** The storage as one runner sees it, for as long as the runner `lives`. */
  seenBy(lives: () => boolean): RunnerStorage.RunnerStorage["Service"] {
    const seen = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => (lives() ? effect : Effect.never))
    const { encoded } = this
    return RunnerStorage.makeEncoded({
      getRunners: seen(encoded.getRunners),
      register: (address, runner, healthy) => seen(encoded.register(address, runner, healthy)),
      unregister: (address) => seen(encoded.unregister(address)),
      setRunnerHealth: (address, healthy) => seen(encoded.setRunnerHealth(address, healthy)),
      acquire: (address, shards) => seen(encoded.acquire(address, shards)),
      refresh: (address, shards) => seen(encoded.refresh(address, shards)),
      release: (address, shard) => seen(encoded.release(address, shard)),
      releaseAll: (address) => seen(encoded.releaseAll(address))
    })
  }

  private lock(
    holder: string,
    shards: ReadonlyArray<string>,
    mayTake: boolean
  ): Effect.Effect<Array<string>> {
    return Effect.map(Clock.currentTimeMillis, (now) =>
      shards.filter((shard) => {
        const lock = this.locks.get(shard)
        const isFree = lock === undefined || lock.untilMillis <= now
        if (lock?.holder !== holder && !(mayTake && isFree)) return false
        this.locks.set(shard, { holder, untilMillis: now + this.lockMillis })
        return true
      })
    )
  }
}
