import { dialSweeps } from "./dials.ts"
import { itSweeps } from "./itSweeps.ts"

itSweeps(dialSweeps)
