import * as Result from "effect/Result"
import * as FfiUdpPort from "../../layers/ffi/FfiUdpPort.ts"
import { Native } from "../../layers/ffi/native.ts"

/** The port that must be there, as tests run where it is supported. */
export const ffiPort = Result.getOrThrow(Result.flatMap(Native.open(), FfiUdpPort.make))
