module github.com/hanzoai/go-sdk

go 1.25
