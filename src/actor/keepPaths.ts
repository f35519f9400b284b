/**
 * client: the paths of a connection that was dialed by key. A relayed path is kept as a backup, and while there is no direct
 * path, those addresses are tried that the peer was said to have.
 */
import * as Effect from "effect/Effect"
import { Backoff } from "../internal/Backoff.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { isRelayed } from "./preferDirect.ts"

/** Addresses tried at the same time: each takes a path, of which there are few. */
const AT_ONCE = 2
/** Shorter than any backoff; no loop without a pause. */
const MIN_WAIT_MILLIS = 100

/** What a dialed connection may use. */
export interface KnownPlaces {
  /** The peer behind its relay. */
  readonly relayed: SocketAddress | undefined
  /** Where it may be reached without one. */
  readonly direct: ReadonlyArray<SocketAddress>
  readonly socketFor: (remote: SocketAddress) => SocketNumber
  /** From 0 to 1. */
  readonly random: () => number
}

/** Runs until the connection is over, or multipath was not negotiated. */
export const keepPaths = (actor: ConnectionActor, places: KnownPlaces): Effect.Effect<void> => {
  const { core } = actor
  const relays = new Backoff(places.random)
  const directs = new Backoff(places.random)
  let next = 0

  const open = (remote: SocketAddress, isBackup: boolean): boolean => {
    const path = core.multipath.open(remote, places.socketFor(remote), actor.now())
    if (typeof path === "string") return false
    if (isBackup) core.multipath.setBackup(path, true)
    actor.touch()
    return true
  }
  /** Returns when to look again; never, if nothing is missing. */
  const tryRelay = (nowMillis: number): number => {
    const { relayed } = places
    if (relayed === undefined) return Number.POSITIVE_INFINITY
    if (core.paths.open.some(isRelayed)) {
      if (core.paths.open.some((path) => isRelayed(path) && path.status.isUsable)) relays.reset()
      return Number.POSITIVE_INFINITY
    }
    if (relays.isDue(nowMillis)) {
      open(relayed, true)
      relays.next(nowMillis)
    }
    return relays.atMillis
  }
  const tryDirect = (nowMillis: number): number => {
    const { direct } = places
    const there = core.paths.open.filter((path) => !isRelayed(path))
    if (there.some(({ status }) => status.isUsable)) directs.reset()
    if (direct.length === 0 || there.length > 0) return Number.POSITIVE_INFINITY
    if (directs.isDue(nowMillis)) {
      let opened = 0
      while (opened < Math.min(AT_ONCE, direct.length) && open(direct[next % direct.length], false)) {
        next++
        opened++
      }
      // the others follow as soon as these have failed
      if (opened === 0 || next % direct.length < opened) directs.next(nowMillis)
    }
    return directs.atMillis
  }

  const look: Effect.Effect<void> = Effect.suspend(() => {
    if (actor.isOver) return Effect.void
    const { handshake, multipath } = core
    if (!handshake.confirmed) return actor.signals.driven.parkThen(look)
    if (!multipath.isNegotiated) return Effect.void
    const nowMillis = actor.now() / 1000
    const atMillis = Math.min(tryRelay(nowMillis), tryDirect(nowMillis))
    const { park } = actor.path.moved
    const news =
      atMillis === Number.POSITIVE_INFINITY
        ? park
        : Effect.timeoutOption(park, Math.max(MIN_WAIT_MILLIS, atMillis - nowMillis))
    return Effect.andThen(news, look)
  })
  return look
}
