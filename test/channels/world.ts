/** A declared set with a channel of every kind, and both sides of it on one connection. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Channels } from "../../src/index.ts"
import { type PairOptions, pair } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"

export const Entry = Schema.Struct({ at: Schema.Int, text: Schema.String })

export const link = Channels.make("link", {
  version: 3,
  oldestVersion: 2,
  channels: {
    log: { direction: "clientToServer", message: Entry },
    acks: { direction: "serverToClient", message: Schema.Int, priority: 1, encoding: "json" },
    talk: { direction: "both", message: Schema.String },
    blobs: { direction: "clientToServer", message: Schema.Uint8Array, maxBytes: 100_000 },
    parcels: {
      direction: "clientToServer",
      message: Schema.Uint8Array,
      intent: "unordered",
      maxBytes: 50_000
    }
  }
})

export const simPair = Effect.fnUntraced(function* (options?: PairOptions) {
  const world = yield* simWorld
  return { cable: world.cable!, ...(yield* pair(world, options)) }
})

/** Both sides' handles, on a connection of the simulator. */
export const both = Effect.fnUntraced(function* (options?: PairOptions) {
  const all = yield* simPair(options)
  const client = yield* Channels.client(link, all.near)
  const server = yield* Channels.server(link, all.far)
  return { ...all, client, server }
})
