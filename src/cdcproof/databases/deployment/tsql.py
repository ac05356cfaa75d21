"""The T-SQL that is asked of SQL Server about a deployment. Nothing is asked here.

`sys.fn_cdc_get_min_lsn` answers 0x00000000000000000000 to an account that may not read the capture instance, as
Microsoft's reference says.
"""

from __future__ import annotations

LOG_STARTS = """
    SELECT capture_instance, sys.fn_cdc_get_min_lsn(capture_instance),
           OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id)
    FROM cdc.change_tables WHERE OBJECT_NAME(source_object_id) IS NOT NULL ORDER BY capture_instance"""
