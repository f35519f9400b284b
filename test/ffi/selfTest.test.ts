import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { make } from "../../layers/ffi/FfiUdpPort.ts"
import { Missing } from "../../layers/ffi/native.ts"
import { brokenNative, native } from "./brokenNative.ts"

describe("the port of node:ffi", () => {
  it("is that of node:dgram where node:ffi is missing", () => {
    const reason = new Missing("node:ffi", "it is switched off")
    const { missing, port } = make(Result.fail(reason))
    expect(missing).toEqual([reason])
    expect(port.bind).toBeTypeOf("function")
    expect(make(Result.succeed(native)).missing).toEqual([])
  })

  it("is that of node:dgram where sockets do not do what they should, and says what", () => {
    const faultWith = (...args: Parameters<typeof brokenNative>) =>
      make(Result.succeed(brokenNative(...args))).missing.map(({ what, why }) => `${what}: ${why}`)
    expect(faultWith("recvmsg", () => () => -1)).toEqual([
      expect.stringMatching(
        /^UDP sockets: of a train to oneself, a datagram was lost instead of 100 bytes of 1, marked 1/
      )
    ])
    expect(faultWith("sendmsg", () => () => -1)[0]).toMatch(
      /^UDP sockets: of a train to oneself, .* instead of/
    )
    expect(faultWith("socket", () => () => -1)[0]).toMatch(/^UDP sockets: Cannot bind/)
    expect(faultWith("uv_poll_init", () => () => -22)[0]).toMatch(/^UDP sockets: .*uv_poll_init EINVAL/)
    expect(faultWith("uv_unref", () => () => {})[0]).toMatch(/^UDP sockets: .*the flags of a uv_poll_t/)
  })
})
