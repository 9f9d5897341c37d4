module sonde.test/oracle

go 1.21
