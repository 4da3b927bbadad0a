#!/bin/bash
# Makes DIR/client from DIR/srm.wsdl: stubs by gSOAP, then tests/cgsi/client.c with the CGSI plugin.
#   build.sh DIR
# Needs: gsoap, libgsoap-dev, libcgsi-gsoap-dev, gcc, pkg-config.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:?usage: build.sh DIR}"

# A fixed prefix, so that the stubs are always named srm__…
echo 'srm = "http://srm.lbl.gov/StorageResourceManager"' >typemap.dat
wsdl2h -c -t typemap.dat -o srm.h srm.wsdl >wsdl2h.log 2>&1 || { cat wsdl2h.log >&2; exit 1; }
soapcpp2 -c -C -L -x -w srm.h >soapcpp2.log 2>&1 || { cat soapcpp2.log >&2; exit 1; }
# The name of the table follows the binding's name.
cp ./*.nsmap namespaces.nsmap.h

cat >operations.txt <<<"$(grep -oE 'soap_call_srm__srm[A-Za-z]+\(' soapStub.h | sort -u)"
count=$(grep -c . operations.txt)
[ "$count" = 39 ] || { echo "the WSDL has $count operations, not 39" >&2; exit 1; }

cflags=$(pkg-config --cflags gsoap) libs=$(pkg-config --libs gsoap)
for source in soapC.c soapClient.c "$here/client.c"; do
  # shellcheck disable=SC2086
  gcc -O0 -w -I. $cflags -c "$source" -o "$(basename "$source" .c).o" &
done
wait
# shellcheck disable=SC2086
gcc -o client.new soapC.o soapClient.o client.o -lcgsi_plugin $libs
mv client.new client
