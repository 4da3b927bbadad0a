"""Asks LCMAPS for the account of somebody: lcmaps.py LIBRARY-SETTINGS-FOLDER DN [FQAN...]

Prints `uid groups... lease`: user id, group ids with commas between (primary ones first, each once), and the name of the pool account's lease (`-` for none);
or `none` where LCMAPS maps nobody.
"""
import ctypes
import os
import sys

folder, dn, fqans = sys.argv[1], os.fsencode(sys.argv[2]), [os.fsencode(fqan) for fqan in sys.argv[3:]]
os.environ["LCMAPS_DB_FILE"] = os.path.join(folder, "lcmaps.db")
os.environ["LCMAPS_DEBUG_LEVEL"] = "0"
# Its plug-ins look for its own symbols.
lcmaps = ctypes.CDLL("liblcmaps_without_gsi.so.0", mode=ctypes.RTLD_GLOBAL)
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
log = ctypes.c_void_p(libc.fopen(os.fsencode(os.path.join(folder, "lcmaps.log")), b"a"))
if lcmaps.lcmaps_init(log) != 0:
    sys.exit("lcmaps_init failed: see lcmaps.log")

gids = ctypes.POINTER(ctypes.c_uint)
uid, lease = ctypes.c_uint(0), ctypes.c_char_p()
primary, primaries, secondary, secondaries = gids(), ctypes.c_int(), gids(), ctypes.c_int()
names = (ctypes.c_char_p * max(1, len(fqans)))(*fqans)
code = lcmaps.lcmaps_run_with_fqans_and_return_account(
    dn, names if fqans else None, len(fqans), None, 0, None, ctypes.byref(uid),
    ctypes.byref(primary), ctypes.byref(primaries), ctypes.byref(secondary), ctypes.byref(secondaries),
    ctypes.byref(lease))
if code == 0:
    groups = [primary[i] for i in range(primaries.value)] + [secondary[i] for i in range(secondaries.value)]
    each_once = ",".join(str(group) for group in dict.fromkeys(groups))
    print(uid.value, each_once, (lease.value or b"-").decode("ascii"))
else:
    print("none")
lcmaps.lcmaps_term()
