/** NEW_TOKEN frames, hundreds of which fit into a packet. RFC 9000 §8.1.3 */
import { describe, expect, it } from "vitest"
import { keptToken } from "../../src/connection/keptToken.ts"
import { writeNewToken } from "../../src/wire/frameWriters.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

describe("a client that gets many tokens at once", () => {
  it("reports only the newest", () => {
    const { endpoint, puppet, connection, nowMicros } = new Duel({ victim: "client" }).shakeHands()
    for (let packet = 0; packet < 2; packet++) {
      const datagram = puppet.packet(Level.OneRtt, (w) => {
        for (let i = 0; i < 200; i++) writeNewToken(w, Uint8Array.of(1, 2, packet, i))
      })
      endpoint.handleDatagram(datagram, connection.path.remote, 0, nowMicros)
    }
    const tokens: Array<Uint8Array | undefined> = []
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent())
      if (event._tag === "newToken") tokens.push(keptToken(event.token, Version.v1))
    expect(tokens).toEqual([Uint8Array.of(1, 2, 1, 199)])
  })
})
