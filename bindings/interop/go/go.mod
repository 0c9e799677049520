module rill/interop

go 1.24

require rill v0.0.0

replace rill => ../../go
