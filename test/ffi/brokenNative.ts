import * as Result from "effect/Result"
import { Native } from "../../layers/ffi/native.ts"

export const native = Result.getOrThrow(Native.open())

/** The native functions of this process, with another in the place of the one called `name`. */
export const brokenNative = (
  name: string,
  wrong: (right: (...args: ReadonlyArray<bigint>) => unknown) => unknown
): Native =>
  new Proxy(native, {
    get: (_, key) => {
      if (key !== "functions") {
        const value: unknown = Reflect.get(native, key, native)
        return typeof value === "function" ? value.bind(native) : value
      }
      return (what: string, definitions: object) =>
        Result.map(native.functions(what, definitions as never), (functions: Record<string, never>) =>
          name in functions ? { ...functions, [name]: wrong(functions[name]) } : functions
        )
    }
  })
