import { suite } from "./suite.ts"
import { simulated } from "./World.ts"

suite(simulated)
