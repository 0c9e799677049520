module rill

go 1.24
