/** Tickets and address tokens are bound to the version they were issued in. RFC 9369 §5 */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { Version } from "../../src/index.ts"
import { keepToken, keptToken } from "../../src/connection/keptToken.ts"
import { itSim } from "../sim/itSim.ts"
import { identity, makeClient, makeServer, to, visit, worldOfTwo } from "./worlds.ts"

const speaking = (...versions: ReadonlyArray<"v1" | "v2">) => ({ transport: { versions } })

describe("a session", () => {
  itSim("that was moved to version 2 is taken up again in version 2", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const server = yield* makeServer(world.first, id)
      const client = yield* makeClient(world.client, id)
      const first = yield* visit(client, to(server, speaking("v1", "v2")))
      expect(first).toMatchObject({ resumed: false, version: "v2" })
      const second = yield* visit(client, to(server, speaking("v1", "v2")))
      expect(second).toMatchObject({ resumed: true, version: "v2" })
    })
  )

  itSim("that was moved to version 2 begins there when it is taken up, whatever others begin with", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const server = yield* makeServer(world.first, id)
      const client = yield* makeClient(world.client, id)
      const options = to(server, { transport: { versions: ["v2", "v1"], originalVersion: "v1" } })
      expect(yield* visit(client, options)).toMatchObject({ resumed: false, version: "v2" })
      expect(yield* visit(client, options)).toMatchObject({ resumed: true, version: "v2" })
    })
  )

  itSim("of version 1 is not taken up in version 2", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const server = yield* makeServer(world.first, id)
      const client = yield* makeClient(world.client, id)
      expect(yield* visit(client, to(server))).toMatchObject({ version: "v1" })
      const other = yield* visit(client, to(server, speaking("v2")))
      expect(other).toMatchObject({ resumed: false, version: "v2" })
    })
  )
})

describe("an address token", () => {
  it("is only used with its issuer and version", () => {
    const token = Uint8Array.of(1, 2, 3)
    const kept = keepToken(Version.v2, token)
    expect(keptToken(kept, Version.v2)).toEqual(token)
    expect(keptToken(kept, Version.v1)).toBeUndefined()
    expect(keptToken(undefined, Version.v1)).toBeUndefined()
    expect(keptToken(Uint8Array.of(0, 0, 0, 1), Version.v1)).toBeUndefined()
  })
})
