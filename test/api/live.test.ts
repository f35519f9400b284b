import { suite } from "./suite.ts"
import { live } from "./World.ts"

suite(live)
