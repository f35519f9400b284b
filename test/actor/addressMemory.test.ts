import { describe, expect, it } from "vitest"
import { AddressMemory } from "../../src/actor/AddressMemory.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"

const [one, two, three] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((host) => socketAddress(host, 443)!)

describe("C6 the memory of addresses that answered", () => {
  it("puts the one that answered last in front, and keeps the order of the others", () => {
    const memory = new AddressMemory()
    memory.remember("a", two)
    memory.remember("a", three)
    expect(memory.bestFirst("a", [one, two, three])).toEqual([three, one, two])
    expect(memory.bestFirst("b", [one, two, three])).toEqual([one, two, three])
    expect(memory.bestFirst("a", [one, two])).toEqual([one, two])
  })

  it("forgets an address that does not answer, though not another that has meanwhile", () => {
    const memory = new AddressMemory()
    memory.remember("a", two)
    memory.forget("a", one)
    expect(memory.has("a", two)).toBe(true)
    memory.forget("a", two)
    expect(memory.size).toBe(0)
  })

  it("holds 256 names; the one used least recently goes first", () => {
    const memory = new AddressMemory()
    for (let i = 0; i < 256; i++) memory.remember(`${i}`, one)
    memory.remember("0", one)
    memory.remember("one more", one)
    expect(memory.size).toBe(256)
    expect(memory.has("0", one)).toBe(true)
    expect(memory.has("1", one)).toBe(false)
  })
})
