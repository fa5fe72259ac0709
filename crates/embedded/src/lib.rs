//! A Zabra server or ensemble inside a test, on free ports, with kill, restart and session expiry on demand.
